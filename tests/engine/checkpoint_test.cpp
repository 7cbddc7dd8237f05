// SPDX-License-Identifier: MIT
#include "engine/checkpoint.hpp"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "engine/io/file.hpp"
#include "kernels/runtime/error.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace checkpoint_test {

namespace fs = std::filesystem;

class CheckpointTest : public FolderTest {};

CheckpointState state_of(Index iteration, std::size_t values = 100) {
  CheckpointState s;
  s.iteration = iteration;
  std::vector<float> w(values);
  for (std::size_t i = 0; i < values; ++i) w[i] = static_cast<float>(i) * 0.1f + static_cast<float>(iteration);
  s.tensors["theta"] = Tensor({static_cast<Index>(values)}, w);
  s.tensors["best"] = Tensor({}, std::vector<double>{0.1 * static_cast<double>(iteration)});
  s.tensors["step"] = Tensor({1}, std::vector<std::int64_t>{iteration});
  s.meta = {{"stage", 1}, {"phi", 1.0 / 3}, {"history", {1.5, 0.1}}};
  return s;
}

void expect_equal(const CheckpointState& a, const CheckpointState& b) {
  EXPECT_EQ(a.iteration, b.iteration);
  EXPECT_EQ(a.tensors, b.tensors);
  EXPECT_EQ(a.meta, b.meta);
}

void flip_byte(const std::string& path, Index offset_from_end) {
  std::string bytes = read_file(path);
  char& b = bytes[bytes.size() - static_cast<std::size_t>(offset_from_end)];
  b = static_cast<char>(b ^ 4);
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

TEST_F(CheckpointTest, RoundTripAndKeep) {
  const Log log = Log::open(LogLevel::off);
  EXPECT_FALSE(load_latest(dir_, log).has_value());
  for (const Index i : {0, 50, 100, 150, 200}) save_checkpoint(dir_, state_of(i), 2, {0, 100});
  EXPECT_EQ(list_checkpoints(dir_), (std::vector<Index>{0, 100, 150, 200}));
  EXPECT_EQ(read_file(dir_ + "/checkpoint/latest"), "000200\n");
  expect_equal(load_latest(dir_, log).value(), state_of(200));
  expect_equal(load_checkpoint(dir_, 100), state_of(100));
  EXPECT_TRUE(log.warnings().empty());
  save_checkpoint(dir_, state_of(200, 7), 2, {0, 100});  // the same iteration again
  expect_equal(load_latest(dir_, log).value(), state_of(200, 7));
  EXPECT_EQ(std::distance(fs::directory_iterator(dir_ + "/checkpoint"), fs::directory_iterator{}), 5);
}

TEST_F(CheckpointTest, DamagedOneFallsBackWithWarning) {
  for (const Index i : {10, 20, 30}) save_checkpoint(dir_, state_of(i), 3);
  const Log log = Log::open(LogLevel::off);
  flip_byte(checkpoint_path(dir_, 30) + "/state.safetensors", 9);
  expect_equal(load_latest(dir_, log).value(), state_of(20));
  ASSERT_EQ(log.warnings().size(), 1u);
  EXPECT_NE(log.warnings()[0].find("000030"), std::string::npos);
  std::string meta = read_file(checkpoint_path(dir_, 20) + "/meta.json");
  meta.replace(meta.find("0.333"), 5, "0.334");  // still JSON, other content
  std::ofstream(checkpoint_path(dir_, 20) + "/meta.json", std::ios::trunc) << meta;
  expect_equal(load_latest(dir_, log).value(), state_of(10));
  fs::resize_file(checkpoint_path(dir_, 10) + "/state.safetensors", 40);
  EXPECT_THROW(load_latest(dir_, log), Error);
}

TEST_F(CheckpointTest, BrokenLatestAndLeftovers) {
  for (const Index i : {10, 20}) save_checkpoint(dir_, state_of(i), 3);
  fs::create_directories(dir_ + "/checkpoint/000030.tmp.123");
  std::ofstream(dir_ + "/checkpoint/000030.tmp.123/state.safetensors") << "half";
  std::ofstream(dir_ + "/checkpoint/latest", std::ios::trunc) << "gar\0bage";
  expect_equal(load_latest(dir_, Log()).value(), state_of(20));
  fs::remove(dir_ + "/checkpoint/latest");
  expect_equal(load_latest(dir_, Log()).value(), state_of(20));
  write_file_atomic(dir_ + "/checkpoint/latest", "000010\n");  // killed between the rename and the update of latest
  expect_equal(load_latest(dir_, Log()).value(), state_of(10));
  save_checkpoint(dir_, state_of(40), 3);
  EXPECT_FALSE(fs::exists(dir_ + "/checkpoint/000030.tmp.123"));
}

// Runs `body` in a child; its exit status.
template <class F>
int in_child(F body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST_F(CheckpointTest, FailedWriteLeavesLastOneReadable) {
  save_checkpoint(dir_, state_of(10), 1);
  const int status = in_child([&] {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{20000, 20000};
    setrlimit(RLIMIT_FSIZE, &limit);
    try {
      save_checkpoint(dir_, state_of(20, 100000), 1);
    } catch (const Error& e) {
      return e.code() == ErrorCode::failed ? 7 : 8;
    }
    return 9;
  });
  EXPECT_EQ(status, 7);
  EXPECT_EQ(list_checkpoints(dir_), std::vector<Index>{10});
  expect_equal(load_latest(dir_, Log()).value(), state_of(10));
  EXPECT_EQ(std::distance(fs::directory_iterator(dir_ + "/checkpoint"), fs::directory_iterator{}), 2);
}

TEST_F(CheckpointTest, FullDiskLeavesLastOneReadable) {
  if (::mount("tmpfs", dir_.c_str(), "tmpfs", 0, "size=256k") != 0) {
    GTEST_SKIP() << "a small tmpfs cannot be mounted here";
  }
  save_checkpoint(dir_, state_of(10, 10000), 1);
  std::string message;
  try {
    save_checkpoint(dir_, state_of(20, 60000), 1);
  } catch (const Error& e) {
    message = e.message();
  }
  const auto loaded = load_latest(dir_, Log());
  const std::vector<Index> found = list_checkpoints(dir_);
  ::umount(dir_.c_str());
  EXPECT_NE(message.find("free some space"), std::string::npos) << message;
  EXPECT_EQ(found, std::vector<Index>{10});
  expect_equal(loaded.value(), state_of(10, 10000));
}

// A kill at any moment leaves something loadable that is one of the two.
TEST_F(CheckpointTest, KillDuringWrite) {
  save_checkpoint(dir_, state_of(0, 5000), 1);
  for (int k = 0; k < 12; ++k) {
    const pid_t child = fork();
    if (child == 0) {
      for (Index i = 1;; ++i) save_checkpoint(dir_, state_of(i % 7, 5000), 1);
    }
    usleep(static_cast<useconds_t>(2000 + 1700 * k));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    const Log log = Log::open(LogLevel::off);
    const auto loaded = load_latest(dir_, log);
    ASSERT_TRUE(loaded.has_value());
    expect_equal(*loaded, state_of(loaded->iteration, 5000));
    EXPECT_TRUE(log.warnings().empty());
  }
}

}  // namespace checkpoint_test
}  // namespace terrane

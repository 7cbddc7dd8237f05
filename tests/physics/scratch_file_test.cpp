// SPDX-License-Identifier: MIT
#include "physics/scratch_file.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <vector>

#include "kernels/runtime/error.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace scratch_file_test {

namespace fs = std::filesystem;

TEST(ScratchFile, GivesBackWhatWasWritten) {
  const TestFolder folder;
  const std::string& directory = folder.path();
  ScratchFile file(directory, 1000000);
  EXPECT_TRUE(fs::is_empty(directory));  // nothing to clean up, however the process ends
  std::vector<int> values(100000), read(100000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int>(i * i);
  file.write(600000, values.data(), 400000);
  file.write(0, values.data() + 7, 40);
  ScratchFile moved;
  moved = std::move(file);
  EXPECT_EQ(moved.bytes(), 1000000);
  moved.read(600000, read.data(), 400000);
  EXPECT_EQ(read, values);
  moved.read(4, read.data(), 4);
  EXPECT_EQ(read[0], values[8]);
  moved.read(300000, read.data(), 4);
  EXPECT_EQ(read[0], 0);
  moved.write(1000000, values.data(), 0);
  EXPECT_THROW(moved.write(999999, values.data(), 2), Error);
  EXPECT_THROW(moved.read(-1, read.data(), 2), Error);
  const ScratchFile elsewhere("", 10);  // with temporary files
}

TEST(ScratchFile, SaysWhereAndWhyThereIsNone) {
  try {
    ScratchFile file("/nonexistent/terrane", 100);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::failed);
    EXPECT_NE(e.message().find("/nonexistent/terrane: cannot create a file"), std::string::npos) << e.message();
    EXPECT_NE(e.message().find("physics.storage_path"), std::string::npos) << e.message();
  }
}

// In a process of its own with a limit on the size of files, which acts as a full disk.
TEST(ScratchFile, NoRoomIsFoundBeforeAnythingIsWritten) {
  const TestFolder folder;
  const std::string& directory = folder.path();
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{100000, 100000};
    setrlimit(RLIMIT_FSIZE, &limit);
    int code = 1;
    try {
      ScratchFile file(directory, 200000);
    } catch (const Error& e) {
      const bool says = e.message().find("no room for 0.0002 GB") != std::string::npos;
      code = says && e.code() == ErrorCode::budget && fs::is_empty(directory) ? 0 : 2;
    }
    _exit(code);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace scratch_file_test
}  // namespace terrane

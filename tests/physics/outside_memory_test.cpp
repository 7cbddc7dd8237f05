// SPDX-License-Identifier: MIT
// Bytes of a device kept in a file or on the host.
#include "physics/outside_memory.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <numeric>

#include "kernels/runtime/buffer.hpp"
#include "kernels/runtime/error.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace outside_memory_test {

void expect_kept(Stream& s, OutsideMemory memory, Index bytes) {
  ASSERT_EQ(memory.bytes(), bytes);
  std::vector<char> values(static_cast<std::size_t>(bytes));
  std::iota(values.begin(), values.end(), char{0});
  Buffer<char> device(s, bytes);
  copy(s, std::span<const char>(values), device.data());
  const Index half = bytes / 2;
  memory.write(s, half, device.data(), bytes - half);  // the halves change places
  memory.write(s, 0, device.data() + half, half);
  memory.write(s, 0, device.data(), 0);
  OutsideMemory moved;
  moved = std::move(memory);
  Buffer<char> back(s, bytes);
  moved.read(s, 0, back.data(), bytes);
  const std::vector<char> got = to_host(s, back);
  for (Index i = 0; i < bytes; ++i) {
    EXPECT_EQ(got[static_cast<std::size_t>(i)], values[static_cast<std::size_t>((i + half) % bytes)]) << i;
  }
  for (const Index at : {Index{-1}, Index{1}}) {
    EXPECT_THROW(moved.write(s, at, device.data(), bytes), Error);
    EXPECT_THROW(moved.read(s, at, back.data(), bytes), Error);
  }
}

TEST(OutsideMemory, KeepsTheBytesOfADevice) {
  for_each_device([](Stream& s) {
    expect_kept(s, OutsideMemory(ScratchFile(testing::TempDir(), 200)), 200);
    expect_kept(s, OutsideMemory(HostMemory(s, 200)), 200);
    EXPECT_EQ(OutsideMemory(HostMemory(s, 0)).bytes(), 0);
    // As fast as it may be, but right, where no page can be locked.
    ASSERT_EQ(::setenv("FAKE_NV_LOCKED_BYTES", "100", 1), 0);
    expect_kept(s, OutsideMemory(HostMemory(s, 200)), 200);
    ::unsetenv("FAKE_NV_LOCKED_BYTES");
  });
}

TEST(OutsideMemory, NoRoomIsAnErrorOfTheBudget) {
  Stream s{Device{}};
  try {
    HostMemory(s, Index{1} << 60);
    FAIL() << "given";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::budget);
  }
}

}  // namespace outside_memory_test
}  // namespace terrane

// SPDX-License-Identifier: MIT
#include "kernels/runtime/recording.hpp"

#include <gtest/gtest.h>

#include "kernels/kernels.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace recording_test {

TEST(Recording, ReplaysWhatWasLaunchedWithTheValuesOfNow) {
  for_each_device([](Stream& s) {
    const Buffer<float> x = to_device(s, std::vector<float>{1, 2, 3}), y = to_device(s, std::vector<float>{0, 0, 0});
    const Buffer<float> sum(s, 1);
    Recording r;
    int calls = 0;
    for (int k = 1; k <= 5; ++k) {
      r.run(s, [&] {
        ++calls;
        axpby(s, Axpby<float>{2.0F, x.data(), 1.0F, y.data(), 3});
        dot(s, Dot<float>{y.data(), x.data(), sum.data(), 3});
      });
      r.check();
      const auto f = static_cast<float>(2 * k);
      EXPECT_EQ(to_host(s, y), (std::vector<float>{f, 2 * f, 3 * f})) << k;
      EXPECT_EQ(to_host(s, sum)[0], 14 * f);
    }
    EXPECT_EQ(r.replays(), runs_gpu_code(s)) << r.why_not();
    EXPECT_EQ(calls, runs_gpu_code(s) ? 2 : 5);
    r.forget();
    EXPECT_FALSE(r.replays());
  });
}

// What no graph can hold runs each time, once, and the stream is as before.
TEST(Recording, WaitingAndAllocatingRunAsTheyStand) {
  for_each_device([](Stream& s) {
    const Buffer<float> y = to_device(s, std::vector<float>{1, 1});
    const auto add = [&] { axpby(s, Axpby<float>{1.0F, y.data(), 1.0F, y.data(), 2}); };
    const std::vector<std::pair<const char*, std::function<void()>>> deeds{
        {"copy", [&] { to_host(s, y); }},
        {"allocates", [&] { const Buffer<float> more(s, 7); }},
        {"waits", [&] { s.synchronize(); }},
        {"scratch", [&] { s.scratch(s.scratch_bytes() + 1); }}};
    for (const auto& [word, deed] : deeds) {
      SCOPED_TRACE(word);
      Recording r;
      const float before = to_host(s, y)[0];
      for (int k = 0; k < 3; ++k) {
        r.run(s, [&, now = &deed] {
          add();
          (*now)();
        });
        r.check();
        EXPECT_FALSE(s.recording());
      }
      EXPECT_EQ(to_host(s, y)[0], 8 * before);
      EXPECT_FALSE(r.replays());
      EXPECT_EQ(r.why_not().find(word) != std::string::npos, runs_gpu_code(s)) << r.why_not();
    }
  });
}

TEST(Recording, HostWorkIsDoneBeforeEveryReplayAndWhenResultsAreRead) {
  for_each_device([](Stream& s) {
    if (!runs_gpu_code(s)) return;
    const Buffer<float> x(s, 1), y = to_device(s, std::vector<float>{0});
    Recording r;
    std::vector<int> order;
    float given = 0;
    for (int k = 0; k < 4; ++k) {
      given = static_cast<float>(k + 1);
      const auto upload = [&] {
        order.push_back(1);
        copy(s, std::span<const float>(&given, 1), x.data());
      };
      const auto look = [&] { order.push_back(2); };
      r.run(s, [&] {
        if (s.recording()) {
          s.before_replay(upload);
          s.after_replay(look);
        } else {
          upload();
          look();
        }
        axpby(s, Axpby<float>{1.0F, x.data(), 1.0F, y.data(), 1});
      });
      if (k % 2 == 1) r.check();
    }
    EXPECT_EQ(to_host(s, y)[0], 1 + 2 + 3 + 4);
    EXPECT_EQ(order, (std::vector<int>{1, 2, 1, 2, 1, 1, 2}));
  });
}

// The recording holds the address of the scratch memory: when that moves, it is made again.
TEST(Recording, IsMadeAgainWhenTheScratchMemoryMoves) {
  for_each_device([](Stream& s) {
    const Index n = 20000;
    const Buffer<float> x = to_device(s, std::vector<float>(static_cast<std::size_t>(n), 1.0F)), sum(s, 1);
    Recording r;
    int calls = 0;
    for (int k = 0; k < 6; ++k) {
      if (k == 3) s.scratch(2 * s.scratch_bytes() + 1000);
      fill(s, Fill<float>{sum.data(), 0.0F, 1});
      r.run(s, [&] {
        ++calls;
        dot(s, Dot<float>{x.data(), x.data(), sum.data(), n});
      });
      EXPECT_EQ(to_host(s, sum)[0], static_cast<float>(n)) << k;
    }
    EXPECT_EQ(calls, runs_gpu_code(s) ? 4 : 6);
  });
}

// An error of the launches is thrown by the run, not lost with the recording.
TEST(Recording, ErrorsAreThrown) {
  for_each_device([](Stream& s) {
    Recording r;
    int left = 1;
    const auto work = [&] {
      if (left-- <= 0) throw Error(ErrorCode::config, "not like this");
    };
    r.run(s, work);
    EXPECT_THROW(r.run(s, work), Error);
    EXPECT_FALSE(s.recording());
    const Buffer<float> room(s, 3);  // allocations are possible again
    EXPECT_NO_THROW(s.synchronize());
  });
}

}  // namespace recording_test
}  // namespace terrane

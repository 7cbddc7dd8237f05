// SPDX-License-Identifier: MIT
// What a physics does when a kernel has counted values of the model that it cannot take.
#pragma once

#include <utility>

#include "kernels/kernels.hpp"

namespace terrane {

// flag (2): [0] the count of this call, [1] the counts since they were last read. Calls complain(), which throws, when
// there are any: at once, or for a recorded call (kernels/runtime/recording.hpp) when the results are read; several
// replays may have passed by then, and the model may be a good one again.
template <class T, class F>
void check_count(Stream& s, T* flag, F complain) {
  T* since_read = flag + 1;
  const auto look = [&s, since_read, complain = std::move(complain)] {
    if (to_host(s, since_read, 1)[0] == T(0)) return;
    fill(s, Fill<T>{since_read, T(0), 1});
    complain();
  };
  if (s.recording()) {
    axpby(s, Axpby<T>{T(1), flag, T(1), since_read, 1});
    s.after_replay(look);
  } else {
    copy_values(s, CopyValues<T>{flag, since_read, 1});
    look();
  }
}

}  // namespace terrane

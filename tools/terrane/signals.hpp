// SPDX-License-Identifier: MIT
// Signals of a run that can be resumed. TERM, USR1, HUP (unless ignored at start): stop, exit 75. First INT: stop, exit
// 130; second INT: leave at once (the last checkpoint stays valid).
#pragma once

#include <atomic>

namespace terrane::cli {

// Installs the handlers; the flag holds the number of the first signal, 0 before. It lives as long as the program.
const std::atomic<int>* catch_stop_signals();
// Number of the signal that stopped the program, 0 if none.
int caught_signal();

}  // namespace terrane::cli

// SPDX-License-Identifier: MIT
#include "tools/terrane/signals.hpp"

#include <unistd.h>

#include <csignal>

namespace terrane::cli {
namespace {

// A signal handler has no argument to reach its state through.
std::atomic<int> stop_signal{0};
static_assert(std::atomic<int>::is_always_lock_free);

void handle(int number) {
  int none = 0;
  if (stop_signal.compare_exchange_strong(none, number)) return;
  if (number == SIGINT && stop_signal.load() == SIGINT) _exit(130);
  if (number == SIGINT) stop_signal.store(SIGINT);
}

}  // namespace

const std::atomic<int>* catch_stop_signals() {
  for (const int number : {SIGTERM, SIGUSR1, SIGHUP, SIGINT}) {
    struct sigaction old {};
    sigaction(number, nullptr, &old);
    if (old.sa_handler == SIG_IGN && number == SIGHUP) continue;  // nohup
    struct sigaction action {};
    action.sa_handler = handle;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    sigaction(number, &action, nullptr);
  }
  return &stop_signal;
}

int caught_signal() { return stop_signal.load(); }

}  // namespace terrane::cli

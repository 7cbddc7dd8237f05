// SPDX-License-Identifier: MIT
#include "kernels/runtime/recording.hpp"

#include <utility>

#include "kernels/runtime/error.hpp"
#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/trace.hpp"

namespace terrane {

namespace {

// The stream records while this lives.
class Recorder {
 public:
  Recorder(Stream& s, Stream::HostWork& work) : s_(s) {
    s_.arena()->refuse(true);
    s_.set_recording(&work);
  }
  ~Recorder() {
    s_.set_recording(nullptr);
    s_.arena()->refuse(false);
  }
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

 private:
  Stream& s_;
};

}  // namespace

// Returns false, with the reason in why_not_, when the launches cannot be recorded; nothing has run then.
bool Recording::record(Stream& s, const std::function<void()>& launches) {
  const KernelTable& t = s.table();
  if (const char* failure = t.begin_recording(s.device().index, s.native())) {
    why_not_ = failure;
    return false;
  }
  try {
    const Recorder recorder(s, work_);
    launches();
  } catch (const Error& e) {  // if it is an error elsewhere, too, the plain run that follows throws it
    static_cast<void>(t.end_recording(s.native(), nullptr));
    why_not_ = e.what();
    return false;
  } catch (...) {
    static_cast<void>(t.end_recording(s.native(), nullptr));
    throw;
  }
  void* graph = nullptr;
  if (const char* failure = t.end_recording(s.native(), &graph)) {
    why_not_ = failure;
    return false;
  }
  graph_ = std::shared_ptr<void>(graph, t.free_recording);
  scratch_bytes_ = s.scratch_bytes();
  return true;
}

void Recording::run(Stream& s, const std::function<void()>& launches) {
  replayed_ = false;
  if (s.table().begin_recording == nullptr || s.recording() || !why_not_.empty()) return launches();
  if (graph_ != nullptr && s.scratch_bytes() != scratch_bytes_) forget();  // it holds the address of the old scratch
  if (runs_++ == 0) return launches();
  if (graph_ == nullptr && !record(s, launches)) {
    work_ = {};
    return launches();
  }
  const HostCall call(s, "replay");
  for (const auto& upload : work_.before) upload();
  if (const char* failure = s.table().replay(s.device().index, s.native(), graph_.get())) {
    throw Error(ErrorCode::device, s.device().name() + ": replaying a recording: " + failure);
  }
  replayed_ = true;
}

void Recording::check() {
  if (!replayed_) return;
  for (const auto& look : work_.after) look();
}

void Recording::forget() {
  graph_.reset();
  work_ = {};
  runs_ = 0;
  replayed_ = false;
  why_not_.clear();
}

}  // namespace terrane

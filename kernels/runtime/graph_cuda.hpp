// SPDX-License-Identifier: MIT
// Sequences of launches that come again, as CUDA graphs.
//
//   replay(stream, memory, key, launches)   runs launches() the first time; records them as a graph when the same key
//                                           comes again, and from then on launches the graph
// The key holds the bytes of everything that the launches depend on (GraphKey): equal keys must mean equal launches.
// Without memory, on the default stream and inside a capture of the caller's the launches simply run.
#pragma once

#include <algorithm>
#include <string>
#include <type_traits>

#include "kernels/runtime/launch_cuda.hpp"
#include "kernels/runtime/run_memory.hpp"

namespace terrane::TERRANE_BACKEND {

// Bytes of plain values, one after another: numbers, pointers, arrays of them; no structs, whose padding is undefined.
class GraphKey {
 public:
  template <class... V>
  GraphKey& add(const V&... values) {
    (append(values), ...);
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  template <class V>
  void append(const V& value) {
    static_assert(std::is_scalar_v<std::remove_all_extents_t<V>>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  std::string bytes_;
};

inline constexpr std::size_t kept_graphs = 256;  // a segment of a checkpointed run has three

inline void free_graph(void* graph) { static_cast<void>(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph))); }

// Ends a recording; `made` receives what can be launched, null: it is thrown away.
inline cudaError_t end_capture(cudaStream_t stream, cudaGraphExec_t* made) {
  cudaGraph_t graph = nullptr;
  cudaError_t e = cudaStreamEndCapture(stream, &graph);
  if (e == cudaSuccess && made != nullptr) e = cudaGraphInstantiate(made, graph, 0);
  if (graph != nullptr) static_cast<void>(cudaGraphDestroy(graph));
  return e;
}

template <class F>
std::shared_ptr<void> record_graph(cudaStream_t stream, const F& launches) {
  check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "recording a graph");
  try {
    launches();
  } catch (...) {
    static_cast<void>(end_capture(stream, nullptr));
    throw;
  }
  cudaGraphExec_t made = nullptr;
  check_cuda(end_capture(stream, &made), "recording a graph");
  return {made, &free_graph};
}

template <class F>
void replay(Stream& s, RunMemory* memory, const GraphKey& key, const F& launches) {
  const cudaStream_t stream = cuda_stream(s);
  if (memory == nullptr || stream == nullptr) return launches();
  cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
  check_cuda(cudaStreamIsCapturing(stream, &capturing), "reading the stream");
  if (capturing != cudaStreamCaptureStatusNone) return launches();
  auto& known = memory->entries;
  const auto at = std::find_if(known.begin(), known.end(), [&](const auto& e) { return e.key == key.bytes(); });
  if (at == known.end()) {
    if (known.size() == kept_graphs) known.erase(known.begin());
    known.push_back({key.bytes(), nullptr});
    return launches();
  }
  std::rotate(at, at + 1, known.end());
  std::shared_ptr<void>& graph = known.back().kept;
  if (graph == nullptr) graph = record_graph(stream, launches);
  check_cuda(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph.get()), stream), "launching a graph");
}

}  // namespace terrane::TERRANE_BACKEND

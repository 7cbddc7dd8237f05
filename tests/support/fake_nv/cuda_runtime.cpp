// SPDX-License-Identifier: MIT
#include "tests/support/fake_nv/cuda_runtime.h"

#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <new>
#include <set>
#include <utility>
#include <vector>

struct FakeGraph {
  std::vector<std::function<void()>> launches;
};
struct FakeGraphExec {
  std::vector<std::function<void()>> launches;
};
struct FakeStream {
  int device = 0;
  FakeGraph* recording = nullptr;
};

namespace {

constexpr std::size_t alignment = 256;  // of cudaMalloc

struct Device {
  std::mutex mutex;
  std::map<const char*, std::size_t> allocations;
  std::map<const void*, std::size_t> locked;  // host memory
  std::set<const FakeStream*> streams;
};

Device& device() {
  static Device d;
  return d;
}

thread_local cudaError_t last_error = cudaSuccess;

cudaError_t status(cudaError_t e) {
  if (e != cudaSuccess) last_error = e;
  return e;
}

}  // namespace

bool fake_nv_is_device_range(const void* pointer, std::size_t bytes) {
  Device& d = device();
  const std::lock_guard lock(d.mutex);
  const char* p = static_cast<const char*>(pointer);
  auto it = d.allocations.upper_bound(p);
  if (p == nullptr || it == d.allocations.begin()) return false;
  --it;
  return p + bytes <= it->first + it->second;
}

bool fake_nv_is_stream(cudaStream_t stream) {
  Device& d = device();
  const std::lock_guard lock(d.mutex);
  return stream == nullptr || d.streams.contains(stream);  // null: the default stream
}

cudaError_t cudaGetDeviceCount(int* count) {
  if (count == nullptr) return status(cudaErrorInvalidValue);
  const char* text = std::getenv("FAKE_NV_DEVICES");
  *count = text != nullptr ? std::atoi(text) : 1;
  return status(*count > 0 ? cudaSuccess : cudaErrorNoDevice);
}

cudaError_t cudaGetDevice(int* d) {
  if (d == nullptr) return status(cudaErrorInvalidValue);
  *d = 0;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int d) { return status(d == 0 ? cudaSuccess : cudaErrorInvalidDevice); }

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int d) {
  if (p == nullptr) return status(cudaErrorInvalidValue);
  if (d != 0) return status(cudaErrorInvalidDevice);
  *p = cudaDeviceProp{};
  std::strncpy(p->name, "CUDA emulator", sizeof p->name - 1);
  p->totalGlobalMem = std::size_t{1} << 34;
  p->major = 8;
  p->multiProcessorCount = 1;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int d) {
  if (value == nullptr) return status(cudaErrorInvalidValue);
  if (d != 0) return status(cudaErrorInvalidDevice);
  const char* text = std::getenv("FAKE_NV_SHARED_BYTES");
  const int shared = text != nullptr ? std::atoi(text) : 227 * 1024;
  *value = attribute == cudaDevAttrMultiProcessorCount            ? 2
           : attribute == cudaDevAttrMaxSharedMemoryPerBlockOptin ? shared
           : attribute == cudaDevAttrCooperativeLaunch            ? 1
           : std::getenv("FAKE_NV_CLUSTERS") != nullptr           ? 9
                                                                  : 8;  // compute capability
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute, int value) {
  return status(kernel != nullptr && value >= 0 && value <= 227 * 1024 ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaDriverGetVersion(int* version) {
  if (version == nullptr) return status(cudaErrorInvalidValue);
  const char* text = std::getenv("FAKE_NV_DRIVER");
  *version = text != nullptr ? std::atoi(text) : 13000;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  if (version == nullptr) return status(cudaErrorInvalidValue);
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** out, std::size_t bytes) {
  if (out == nullptr) return status(cudaErrorInvalidValue);
  *out = nullptr;
  if (bytes == 0) return cudaSuccess;
  if (bytes > std::size_t{1} << 40) return status(cudaErrorMemoryAllocation);
  // Not rounded up, so that the address sanitizer sees the first byte past the end.
  void* p = nullptr;
  if (posix_memalign(&p, alignment, bytes) != 0) return status(cudaErrorMemoryAllocation);
  std::memset(p, 0xff, bytes);
  Device& d = device();
  const std::lock_guard lock(d.mutex);
  d.allocations.emplace(static_cast<const char*>(p), bytes);
  *out = p;
  return cudaSuccess;
}

cudaError_t cudaFree(void* pointer) {
  if (pointer == nullptr) return cudaSuccess;
  Device& d = device();
  const std::lock_guard lock(d.mutex);
  if (d.allocations.erase(static_cast<const char*>(pointer)) == 0) return status(cudaErrorInvalidValue);
  std::free(pointer);
  return cudaSuccess;
}

cudaError_t cudaHostRegister(void* host, std::size_t bytes, unsigned flags) {
  if (host == nullptr || bytes == 0 || flags != cudaHostRegisterDefault || fake_nv_is_device_range(host, bytes)) {
    return status(cudaErrorInvalidValue);
  }
  const char* text = std::getenv("FAKE_NV_LOCKED_BYTES");
  if (text != nullptr && bytes > std::strtoull(text, nullptr, 10)) return status(cudaErrorMemoryAllocation);
  Device& d = device();
  const std::lock_guard lock(d.mutex);
  return status(d.locked.emplace(host, bytes).second ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaHostUnregister(void* host) {
  Device& d = device();
  const std::lock_guard lock(d.mutex);
  return status(d.locked.erase(host) == 1 ? cudaSuccess : cudaErrorInvalidValue);
}

std::size_t fake_nv_locked_bytes() {
  Device& d = device();
  const std::lock_guard lock(d.mutex);
  std::size_t sum = 0;
  for (const auto& [host, bytes] : d.locked) sum += bytes;
  return sum;
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  if (bytes == 0) return cudaSuccess;
  if (to == nullptr || from == nullptr) return status(cudaErrorInvalidValue);
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if ((to_device && !fake_nv_is_device_range(to, bytes)) || (from_device && !fake_nv_is_device_range(from, bytes))) {
    return status(cudaErrorInvalidValue);
  }
  std::memmove(to, from, bytes);
  return cudaSuccess;
}

bool fake_nv_is_recording(cudaStream_t stream) { return stream != nullptr && stream->recording != nullptr; }

void fake_nv_record(cudaStream_t stream, std::function<void()> launch) {
  stream->recording->launches.push_back(std::move(launch));
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int, std::size_t) {
  const char* text = std::getenv("FAKE_NV_BLOCKS");
  *blocks = text != nullptr ? std::atoi(text) : 8;
  return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveClusters(int* clusters, const void*, const cudaLaunchConfig_t*) {
  const char* text = std::getenv("FAKE_NV_CLUSTERS");
  *clusters = text != nullptr ? std::atoi(text) : 0;
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream == nullptr || fake_nv_is_recording(stream)) return status(cudaErrorStreamCaptureUnsupported);
  if (!fake_nv_is_stream(stream)) return status(cudaErrorInvalidResourceHandle);
  stream->recording = new FakeGraph;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (!fake_nv_is_recording(stream)) return status(cudaErrorInvalidValue);
  *graph = std::exchange(stream->recording, nullptr);
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* capturing) {
  *capturing = fake_nv_is_recording(stream) ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long) {
  *made = new FakeGraphExec{graph->launches};
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
  if (!fake_nv_is_stream(stream) || fake_nv_is_recording(stream)) return status(cudaErrorInvalidResourceHandle);
  for (const auto& launch : graph->launches) launch();
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  if (!fake_nv_is_stream(stream)) return status(cudaErrorInvalidResourceHandle);
  if (fake_nv_is_recording(stream)) return status(cudaErrorStreamCaptureUnsupported);  // not kept
  return cudaMemcpy(to, from, bytes, kind);
}

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  if (!fake_nv_is_stream(stream)) return status(cudaErrorInvalidResourceHandle);
  if (bytes == 0) return cudaSuccess;
  if (!fake_nv_is_device_range(to, bytes)) return status(cudaErrorInvalidValue);
  if (fake_nv_is_recording(stream)) {
    fake_nv_record(stream, [=] { std::memset(to, value, bytes); });
  } else {
    std::memset(to, value, bytes);
  }
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  if (stream == nullptr || flags > cudaStreamNonBlocking) return status(cudaErrorInvalidValue);
  *stream = new (std::nothrow) FakeStream;
  if (*stream == nullptr) return status(cudaErrorMemoryAllocation);
  Device& d = device();
  const std::lock_guard lock(d.mutex);
  d.streams.insert(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  Device& d = device();
  const std::lock_guard lock(d.mutex);
  if (stream == nullptr || d.streams.erase(stream) == 0) return status(cudaErrorInvalidResourceHandle);
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (fake_nv_is_recording(stream)) return status(cudaErrorStreamCaptureUnsupported);
  return status(fake_nv_is_stream(stream) ? cudaSuccess : cudaErrorInvalidResourceHandle);
}

cudaError_t cudaGetLastError() {
  const cudaError_t e = last_error;
  last_error = cudaSuccess;
  return e;
}

const char* cudaGetErrorString(cudaError_t e) {
  switch (e) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInsufficientDriver:
      return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorInvalidResourceHandle:
      return "invalid resource handle";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
  }
  return "unrecognized error code";
}

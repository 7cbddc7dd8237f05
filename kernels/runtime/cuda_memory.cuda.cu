// SPDX-License-Identifier: MIT
#include <cstdio>
#include <cstring>
#include <string>

#include "kernels/runtime/cuda_memory.hpp"
#include "kernels/runtime/graph_cuda.hpp"

namespace terrane::TERRANE_BACKEND {

namespace {

const char* text_of(cudaError_t e) { return e == cudaSuccess ? nullptr : cudaGetErrorString(e); }

// Major number of the installed kernel driver ("580"), or 0 where the system does not tell.
int installed_driver() {
  std::FILE* file = std::fopen("/proc/driver/nvidia/version", "r");
  if (file == nullptr) return 0;
  char line[256] = {};
  const bool read = std::fgets(line, sizeof line, file) != nullptr;
  std::fclose(file);
  if (!read) return 0;
  // "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  ...": the first word "ddd.dd"
  for (const char* p = line; *p != 0; ++p) {
    int major = 0, minor = 0;
    if (p[0] == ' ' && std::sscanf(p, " %3d.%d", &major, &minor) == 2 && major >= 300) return major;
  }
  return 0;
}

// First driver that runs programs of a CUDA major version.
int needed_driver(int cuda_major) { return cuda_major >= 13 ? 580 : 525; }

std::string old_driver(int driver, int runtime) {
  const int number = installed_driver();
  if (number > 0 && number < needed_driver(runtime / 1000)) {
    return "driver " + std::to_string(number) + " is older than the " + std::to_string(needed_driver(runtime / 1000)) +
           " this build needs";
  }
  return "the driver supports CUDA " + std::to_string(driver / 1000) + "." + std::to_string(driver % 1000 / 10) +
         " and is older than the " + std::to_string(needed_driver(runtime / 1000)) + " this build needs";
}

int refuse(const std::string& reason, char* text, Index text_bytes) {
  std::snprintf(text, static_cast<std::size_t>(text_bytes), "%s", reason.c_str());
  return 0;
}

}  // namespace

const char* allocate(int device, Index bytes, void** out) {
  *out = nullptr;
  if (const char* failure = text_of(cudaSetDevice(device))) return failure;
  const cudaError_t e = cudaMalloc(out, static_cast<std::size_t>(bytes));
  if (e != cudaSuccess) static_cast<void>(cudaGetLastError());  // a refused allocation must not fail the next launch
  return text_of(e);
}

const char* deallocate(int device, void* pointer) {
  if (const char* failure = text_of(cudaSetDevice(device))) return failure;
  return text_of(cudaFree(pointer));
}

const char* copy(void* native, const void* from, void* to, Index bytes) {
  if (bytes <= 0) return nullptr;
  const auto stream = static_cast<cudaStream_t>(native);
  const cudaError_t e = cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), cudaMemcpyDefault, stream);
  return text_of(e != cudaSuccess ? e : cudaStreamSynchronize(stream));
}

const char* lock_host(void* host, Index bytes) {
  const cudaError_t e = cudaHostRegister(host, static_cast<std::size_t>(bytes), cudaHostRegisterDefault);
  if (e != cudaSuccess) static_cast<void>(cudaGetLastError());
  return text_of(e);
}

const char* unlock_host(void* host) { return text_of(cudaHostUnregister(host)); }

const char* stream_create(int device, void** native) {
  *native = nullptr;
  if (const char* failure = text_of(cudaSetDevice(device))) return failure;
  cudaStream_t stream = nullptr;
  const cudaError_t e = cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  *native = stream;
  return text_of(e);
}

const char* stream_destroy(void* native) { return text_of(cudaStreamDestroy(static_cast<cudaStream_t>(native))); }

const char* synchronize(void* native) { return text_of(cudaStreamSynchronize(static_cast<cudaStream_t>(native))); }

const char* begin_recording(int device, void* native) {
  if (const char* failure = text_of(cudaSetDevice(device))) return failure;
  return text_of(cudaStreamBeginCapture(static_cast<cudaStream_t>(native), cudaStreamCaptureModeThreadLocal));
}

const char* end_recording(void* native, void** graph) {
  cudaGraphExec_t made = nullptr;
  const cudaError_t e = end_capture(static_cast<cudaStream_t>(native), graph != nullptr ? &made : nullptr);
  if (e != cudaSuccess)
    static_cast<void>(cudaGetLastError());  // what could not be recorded must not fail the next call
  if (graph != nullptr) *graph = made;
  return text_of(e);
}

const char* replay(int device, void* native, void* graph) {
  if (const char* failure = text_of(cudaSetDevice(device))) return failure;
  return text_of(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), static_cast<cudaStream_t>(native)));
}

void free_recording(void* graph) { free_graph(graph); }

int probe(int device, char* text, Index text_bytes) {
  int driver = 0, runtime = 0, count = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
    return refuse("no GPU: no NVIDIA driver is loaded", text, text_bytes);
  }
  static_cast<void>(cudaRuntimeGetVersion(&runtime));
  if (driver / 1000 < runtime / 1000) return refuse(old_driver(driver, runtime), text, text_bytes);
  const cudaError_t e = cudaGetDeviceCount(&count);
  if (e != cudaSuccess || count == 0) {
    static_cast<void>(cudaGetLastError());
    return refuse(std::string("no GPU: ") + cudaGetErrorString(e != cudaSuccess ? e : cudaErrorNoDevice), text,
                  text_bytes);
  }
  cudaDeviceProp properties{};
  if (device < 0 || device >= count) {
    refuse("no GPU " + std::to_string(device) + ": this machine has " + std::to_string(count), text, text_bytes);
  } else if (cudaGetDeviceProperties(&properties, device) == cudaSuccess) {
    std::snprintf(text, static_cast<std::size_t>(text_bytes), "%s, compute %d.%d, %zu MiB, CUDA %d.%d", properties.name,
                  properties.major, properties.minor, static_cast<std::size_t>(properties.totalGlobalMem >> 20),
                  driver / 1000, driver % 1000 / 10);
  }
  return count;
}

}  // namespace terrane::TERRANE_BACKEND

// SPDX-License-Identifier: MIT
// Finds and loads the shared modules of the back ends. The baseline CPU table is linked in, so that something always
// runs; AVX2 and AVX-512 variants and CUDA are modules beside the library, loaded when first needed.
#include <dlfcn.h>

#include <array>
#include <cstdlib>
#include <mutex>
#include <string>

#include "kernels/runtime/error.hpp"
#include "kernels/runtime/kernel.hpp"

namespace terrane {

namespace baseline {
const KernelTable* make_kernel_table();
}

namespace {

std::string library_folder() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&kernel_table), &info) == 0 || info.dli_fname == nullptr) return ".";
  const std::string file = info.dli_fname;
  const auto slash = file.rfind('/');
  return slash == std::string::npos ? "." : file.substr(0, slash);
}

struct Loaded {
  const KernelTable* table = nullptr;
  std::string reason;  // why it could not be loaded
};

Loaded load_module(const std::string& name) {
  std::string reason;
  const std::string folder = library_folder();
  // Beside the shared library, or in ../lib when the library is linked into an executable in bin/.
  for (const std::string& candidate : {folder + "/terrane/", folder + "/../lib/terrane/"}) {
    const std::string file = candidate + "terrane-" + name + ".so";
    void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      if (reason.empty()) reason = dlerror();
      continue;
    }
    const auto entry = reinterpret_cast<KernelTableFunction>(dlsym(handle, "terrane_kernel_table"));
    const KernelTable* table = entry != nullptr ? entry() : nullptr;
    if (table == nullptr || table->abi != kernel_table_abi) {
      return {nullptr, file + " belongs to another build of terrane; install library and modules together"};
    }
    return {table, {}};
  }
  return {nullptr, "the " + name + " module could not be loaded: " + reason};
}

Loaded load_cpu() {
  const char* wish = std::getenv("TERRANE_CPU_VARIANT");  // for tests and bug reports: baseline, v3, v4
  const std::string limit = wish != nullptr ? wish : "v4";
#if defined(__x86_64__)
  if (limit == "v4" && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd")) {
    if (Loaded v4 = load_module("cpu-v4"); v4.table != nullptr) return v4;
  }
  if (limit != "baseline" && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    if (Loaded v3 = load_module("cpu-v3"); v3.table != nullptr) return v3;
  }
#endif
  return {baseline::make_kernel_table(), {}};
}

}  // namespace

const KernelTable& kernel_table(const Device& device) {
  // Loading is done once for each kind; the result never changes afterwards.
  static std::array<std::once_flag, 3> once;
  static std::array<Loaded, 3> loaded;
  std::size_t slot = 0;
  if (device.kind == DeviceKind::cuda) slot = 1;
  if (device.kind == DeviceKind::emulated) slot = 2;
  std::call_once(once[slot],
                 [slot] { loaded[slot] = slot == 0 ? load_cpu() : load_module(slot == 1 ? "cuda" : "emulated"); });
  if (loaded[slot].table == nullptr)
    throw Error(ErrorCode::device, device.name() + " unusable: " + loaded[slot].reason);
  return *loaded[slot].table;
}

}  // namespace terrane

// SPDX-License-Identifier: MIT
#include "physics/outside_memory.hpp"

#include "kernels/runtime/buffer.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {

char* OutsideMemory::within(Index offset, Index bytes) const {
  require(offset >= 0 && bytes >= 0 && offset + bytes <= host_.bytes(), ErrorCode::failed,
          "beyond the end of the wave fields on the host", "storage");
  return host_.data() + offset;
}

void OutsideMemory::write(Stream& s, Index offset, const void* device, Index bytes) {
  if (bytes <= 0) return;
  if (host_.bytes() > 0) return copy_to_host(s, device, within(offset, bytes), bytes);
  const void* from = device;
  if (s.device().kind != DeviceKind::cpu) {
    staged_.resize(static_cast<std::size_t>(bytes));
    copy_to_host(s, device, staged_.data(), bytes);
    from = staged_.data();
  }
  file_.write(offset, from, bytes);
}

void OutsideMemory::read(Stream& s, Index offset, void* device, Index bytes) {
  if (bytes <= 0) return;
  if (host_.bytes() > 0) return copy_to_device(s, within(offset, bytes), device, bytes);
  if (s.device().kind == DeviceKind::cpu) return file_.read(offset, device, bytes);
  staged_.resize(static_cast<std::size_t>(bytes));
  file_.read(offset, staged_.data(), bytes);
  copy_to_device(s, staged_.data(), device, bytes);
}

}  // namespace terrane

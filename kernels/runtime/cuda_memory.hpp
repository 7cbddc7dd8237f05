// SPDX-License-Identifier: MIT
// Memory and streams of a GPU back end: the entries of KernelTable that are not kernels. Each verb returns null or the
// text of the error (static storage). Sizes in bytes; pointers are device pointers unless said otherwise.
#pragma once

#include "kernels/runtime/hd.hpp"

namespace terrane::TERRANE_BACKEND {

const char* allocate(int device, Index bytes, void** out);
const char* deallocate(int device, void* pointer);
// Between host and device in any direction; returns when the bytes have arrived.
const char* copy(void* native, const void* from, void* to, Index bytes);
// Page-locks memory of the host. A refusal leaves it as it was.
const char* lock_host(void* host, Index bytes);
const char* unlock_host(void* host);
const char* stream_create(int device, void** native);
const char* stream_destroy(void* native);
const char* synchronize(void* native);
// What is launched between begin and end is kept as a graph, which `replay` runs. end: always ends the recording; with
// an error there is no graph. Null `graph`: nothing is wanted.
const char* begin_recording(int device, void* native);
const char* end_recording(void* native, void** graph);
const char* replay(int device, void* native, void* graph);
void free_recording(void* graph);
// Number of usable devices; `text` receives "name, driver ..." of `device`, or the reason why there is none.
int probe(int device, char* text, Index text_bytes);

}  // namespace terrane::TERRANE_BACKEND

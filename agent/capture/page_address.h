// Where the kernel has its pages: from the number of a struct page to the address of its memory.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"

namespace godwit::agent {

struct PageAddresses {
  std::uint64_t first_page = 0;  // of page frame 0 in the array of struct page
  std::uint64_t direct_map = 0;  // address of page frame 0's memory
};

// What of the kernel the search needs; all run in this process.
struct KernelProbe {
  // Reads 4096 bytes of a tracked disk by direct I/O to `buffer` and returns the struct page that
  // the kernel used for it.
  std::function<absl::StatusOr<std::uint64_t>(void* buffer)> note_page;
  // 64 bytes at an address of the kernel; NOT_FOUND where nothing is.
  std::function<absl::StatusOr<std::string>(std::uint64_t address)> peek;
  std::uint64_t task = 0;             // address of a kernel object in the direct map
  std::uint64_t page_size_bytes = 0;  // of struct page
};

// Neither base is exported by kernels, and both are random. One read gives the struct page of a
// page of ours whose frame number is known (/proc/self/pagemap); the direct map begins at a
// multiple of 1 GiB below any kernel object, and the right one has our page's content at the
// frame's place.
absl::StatusOr<PageAddresses> FindPageAddresses(const KernelProbe& probe);

}  // namespace godwit::agent

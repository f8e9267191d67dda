// A file in memory that code under test can open by a path.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "services/common/base/check.h"
#include "services/common/base/file.h"

namespace godwit::fuzz {

class MemoryFile {
 public:
  MemoryFile(const std::uint8_t* data, std::size_t size) : fd_(memfd_create("fuzz", MFD_CLOEXEC)) {
    GODWIT_CHECK(fd_.valid());
    GODWIT_CHECK(pwrite(fd_.get(), data, size, 0) == static_cast<ssize_t>(size));
    path_ = "/proc/self/fd/" + std::to_string(fd_.get());
  }
  // Longer than what was written: the rest is a hole.
  void Extend(std::uint64_t size) {
    GODWIT_CHECK(ftruncate(fd_.get(), static_cast<off_t>(size)) == 0);
  }
  const std::string& path() const { return path_; }

 private:
  Fd fd_;
  std::string path_;
};

}  // namespace godwit::fuzz

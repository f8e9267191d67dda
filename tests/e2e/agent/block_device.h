// A block device of a test's own, whatever kind it is of.
#pragma once

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/common/base/check.h"
#include "services/common/base/file.h"
#include "services/common/block/block.h"

namespace godwit::testing {

class BlockDevice {
 public:
  virtual ~BlockDevice() = default;
  const std::string& path() const { return path_; }
  int fd() const { return fd_.get(); }
  int major_number() const { return static_cast<int>(major(device_)); }
  int minor_number() const { return static_cast<int>(minor(device_)); }
  std::uint64_t bytes() const { return bytes_; }
  // What is written past the page cache is a multiple of this.
  virtual std::uint64_t unit() const = 0;
  // Another size; the medium goes away (size 0) or comes back, empty.
  virtual void Resize(std::uint64_t bytes) = 0;

  // `size` bytes at `offset`, both multiples of unit(), past the page cache.
  void Write(std::uint64_t offset, std::uint64_t size, unsigned seed) {
    block::AlignedBuffer buffer(size);
    for (std::uint64_t i = 0; i < size; i += 8) {
      const std::uint64_t value =
          (seed * 0x9e3779b97f4a7c15u) ^ ((offset + i) * 0xbf58476d1ce4e5b9u);
      std::memcpy(buffer.data() + i, &value, 8);
    }
    GODWIT_CHECK(pwrite(direct_.get(), buffer.data(), size, static_cast<off_t>(offset)) ==
                 static_cast<ssize_t>(size));
  }
  std::string Read() {
    block::AlignedBuffer buffer(bytes_);
    GODWIT_CHECK(pread(direct_.get(), buffer.data(), bytes_, 0) == static_cast<ssize_t>(bytes_));
    return std::string(reinterpret_cast<const char*>(buffer.data()), bytes_);
  }

 protected:
  explicit BlockDevice(std::uint64_t bytes) : bytes_(bytes) {}
  // Once path_ and fd_ are there.
  void Opened() {
    GODWIT_CHECK(fd_.valid());
    struct stat info;
    GODWIT_CHECK(fstat(fd_.get(), &info) == 0);
    device_ = info.st_rdev;
    direct_ = Fd(open(path_.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC));
  }

  std::uint64_t bytes_;
  std::string path_;
  Fd fd_, direct_;
  dev_t device_ = 0;
};

}  // namespace godwit::testing

// A loop device of a test's own, over a file in its temporary folder.
#pragma once

#include <fcntl.h>
#include <linux/loop.h>
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

class LoopDevice {
 public:
  LoopDevice(const std::string& file, std::uint64_t bytes) : file_(file), bytes_(bytes) {
    const Fd backing(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    GODWIT_CHECK(backing.valid() && ftruncate(backing.get(), static_cast<off_t>(bytes)) == 0);
    const Fd control(open("/dev/loop-control", O_RDWR | O_CLOEXEC));
    for (int attempt = 0; attempt < 50; ++attempt) {
      const int number = ioctl(control.get(), LOOP_CTL_GET_FREE);
      GODWIT_CHECK(number >= 0);
      path_ = absl::StrCat("/dev/loop", number);
      fd_ = Fd(open(path_.c_str(), O_RDWR | O_CLOEXEC));
      loop_config config{};
      config.fd = static_cast<__u32>(backing.get());
      config.block_size = 512;
      // It goes away with its last user, also when the test is killed.
      config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
      if (fd_.valid() && ioctl(fd_.get(), LOOP_CONFIGURE, &config) == 0) break;
      fd_.Reset();  // somebody else took it
    }
    GODWIT_CHECK(fd_.valid());
    struct stat info;
    GODWIT_CHECK(fstat(fd_.get(), &info) == 0);
    device_ = info.st_rdev;
    direct_ = Fd(open(path_.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC));
  }
  const std::string& path() const { return path_; }
  int fd() const { return fd_.get(); }
  int major_number() const { return static_cast<int>(major(device_)); }
  int minor_number() const { return static_cast<int>(minor(device_)); }
  std::uint64_t bytes() const { return bytes_; }

  // `size` bytes at `offset`, both multiples of 512, past the page cache.
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
  // Another size; the medium goes away (size 0) or comes back, empty.
  void Resize(std::uint64_t bytes) {
    bytes_ = bytes;
    GODWIT_CHECK(truncate(file_.c_str(), static_cast<off_t>(bytes)) == 0);
    GODWIT_CHECK(ioctl(fd_.get(), LOOP_SET_CAPACITY, 0) == 0);
  }
  std::string Read() {
    block::AlignedBuffer buffer(bytes_);
    GODWIT_CHECK(pread(direct_.get(), buffer.data(), bytes_, 0) == static_cast<ssize_t>(bytes_));
    return std::string(reinterpret_cast<const char*>(buffer.data()), bytes_);
  }

 private:
  const std::string file_;
  std::uint64_t bytes_;
  std::string path_;
  Fd fd_, direct_;
  dev_t device_ = 0;
};

}  // namespace godwit::testing

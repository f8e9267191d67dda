// A loop device of a test's own, over a file in its temporary folder.
#pragma once

#include <linux/loop.h>

#include "tests/e2e/agent/block_device.h"

namespace godwit::testing {

class LoopDevice final : public BlockDevice {
 public:
  LoopDevice(const std::string& file, std::uint64_t bytes) : BlockDevice(bytes), file_(file) {
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
    Opened();
  }
  std::uint64_t unit() const override { return 512; }
  void Resize(std::uint64_t bytes) override {
    bytes_ = bytes;
    GODWIT_CHECK(truncate(file_.c_str(), static_cast<off_t>(bytes)) == 0);
    GODWIT_CHECK(ioctl(fd_.get(), LOOP_SET_CAPACITY, 0) == 0);
  }

 private:
  const std::string file_;
};

}  // namespace godwit::testing

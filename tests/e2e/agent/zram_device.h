// A zram device of a test's own: one without requests, as device-mapper, md and pmem are.
#pragma once

#include <linux/close_range.h>
#include <sys/wait.h>

#include <cstdlib>

#include "tests/e2e/agent/block_device.h"

namespace godwit::testing {

class ZramDevice final : public BlockDevice {
 public:
  explicit ZramDevice(std::uint64_t bytes) : BlockDevice(bytes) {
    const Fd added(open("/sys/class/zram-control/hot_add", O_RDONLY | O_CLOEXEC));
    char number[16] = {};
    GODWIT_CHECK(added.valid() && read(added.get(), number, sizeof number - 1) > 0);
    number_ = std::atoi(number);
    AwaitEndAndRemove();
    const Fd size(
        open(absl::StrCat("/sys/block/zram", number_, "/disksize").c_str(), O_WRONLY | O_CLOEXEC));
    const std::string text = absl::StrCat(bytes);
    GODWIT_CHECK(write(size.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    path_ = absl::StrCat("/dev/zram", number_);
    fd_ = Fd(open(path_.c_str(), O_RDWR | O_CLOEXEC));
    Opened();
  }
  ~ZramDevice() override {
    fd_.Reset();
    direct_.Reset();
    alive_.Reset();
    waitpid(remover_, nullptr, 0);
  }
  std::uint64_t unit() const override { return 4096; }
  void Resize(std::uint64_t) override { GODWIT_CHECK(false && "zram devices keep their size"); }

 private:
  // A process that removes the device when this one has ended, however it does.
  void AwaitEndAndRemove() {
    int ends[2];
    GODWIT_CHECK(pipe2(ends, O_CLOEXEC) == 0);
    const std::string text = absl::StrCat(number_);
    remover_ = fork();
    GODWIT_CHECK(remover_ >= 0);
    if (remover_ == 0) {
      setsid();
      dup2(ends[0], 0);
      close_range(1, ~0u, 0);
      for (char byte; read(0, &byte, 1) > 0;) {
      }
      for (int i = 0; i < 500; ++i) {  // mounts of killed processes take a while
        const int control = open("/sys/class/zram-control/hot_remove", O_WRONLY);
        if (write(control, text.data(), text.size()) > 0) break;
        close(control);
        usleep(20000);
      }
      _exit(0);
    }
    close(ends[0]);
    alive_ = Fd(ends[1]);
  }

  int number_ = 0;
  pid_t remover_ = -1;
  Fd alive_;
};

}  // namespace godwit::testing

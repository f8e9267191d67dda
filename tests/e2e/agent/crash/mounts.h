// Mounts of a test's own, in a mount namespace of its own: nobody else sees them, and they are gone
// with the process however it ends (and with them loop devices, which detach with their last user).
#pragma once

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::testing {

// In memory (the copies that are looked at, at most 450 MiB each); every user may pass through,
// unlike the temporary folder of a test (which must not be below it).
inline constexpr char kMountRoot[] = "/mnt";

// To be called before the process has threads.
inline absl::Status EnterOwnMounts() {
  if (unshare(CLONE_NEWNS) != 0) return ErrnoStatus("unshare");
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return ErrnoStatus("/");
  if (mount("godwit-test", kMountRoot, "tmpfs", 0, "mode=0755,size=2g") != 0)
    return ErrnoStatus(kMountRoot);
  return absl::OkStatus();
}

class Mounted {
 public:
  // Makes the folder.
  static absl::StatusOr<Mounted> Mount(const std::string& device, const std::string& folder,
                                       const std::string& type, unsigned long flags = 0,
                                       const std::string& more_options = "") {
    RETURN_IF_ERROR(MakeDirs(folder, 0755));
    std::string options = type == "xfs" ? "nouuid" : "";  // as its copies have it, too
    if (!more_options.empty()) absl::StrAppend(&options, options.empty() ? "" : ",", more_options);
    if (mount(device.c_str(), folder.c_str(), type.c_str(), flags, options.c_str()) != 0)
      return ErrnoStatus(absl::StrCat("mounting ", type, " of ", device));
    return Mounted(folder);
  }
  Mounted(Mounted&& other) noexcept : folder_(std::exchange(other.folder_, "")) {}
  Mounted& operator=(Mounted&& other) noexcept {
    std::swap(folder_, other.folder_);
    return *this;
  }
  ~Mounted() {
    if (!folder_.empty() && !Unmount().ok()) umount2(folder_.c_str(), MNT_DETACH);
  }
  const std::string& folder() const { return folder_; }

  // Processes that were killed may hold it for a moment.
  absl::Status Unmount() {
    for (int i = 0; i < 200; ++i) {
      if (umount2(folder_.c_str(), 0) == 0) {
        folder_.clear();
        return absl::OkStatus();
      }
      absl::SleepFor(absl::Milliseconds(20));
    }
    return ErrnoStatus(folder_);
  }

 private:
  explicit Mounted(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_;
};

}  // namespace godwit::testing

// The throw-away machine in which disks are converted: hostile images are opened in it and nowhere
// else. No network, no shared folders, no rights; its only way out is a serial line with one JSON
// object a line, which is not trusted either.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "godwit/conversion/v1/conversion_service.pb.h"
#include "services/common/crypt/qemu_image.h"
#include "services/conversion/appliance/scripts_folder.h"

namespace godwit::conversion {

struct ApplianceOptions {
  // With vmlinuz, appliance.cpio and version, see build_appliance.sh.
  std::string folder;
  // "tcg" or "kvm".
  std::string accelerator = "tcg";
  int memory_mib = 1024;
  // A machine that says more on its console is ended.
  std::int64_t max_console_bytes = std::int64_t{64} << 20;
  // For disks of encrypted replicas; may be empty.
  std::string master_key_file;
  // Keys of disks that the source itself encrypts, "<luks-uuid>.key" and "default.key"; may be
  // empty. They enter the appliance in its initramfs and are written nowhere else.
  std::string disk_keys_folder;
  // For Windows guests, see supplies.h; may be empty.
  std::string supplies_image;
  // The operator's scripts, see scripts_folder.h; empty: none.
  std::string scripts_folder;
};

struct ApplianceResult {
  // Output fields: inspection, changes, findings, hints, diff, scripts, console_tail,
  // appliance_version, appliance_packages.
  conversion::v1::ConversionTask task;
  // OK when the disks were converted. FAILED_PRECONDITION, UNIMPLEMENTED...: what the converter
  // found. CANCELLED, DEADLINE_EXCEEDED. INTERNAL: the appliance itself failed (the same disks may
  // do better next time).
  absl::Status status;
};

class MachineFiles;

// Thread-safe.
class Appliance {
 public:
  // NOT_FOUND when the folder is not an appliance; says how to make one.
  static absl::StatusOr<Appliance> Open(ApplianceOptions options);
  // Kernel release and hash.
  const std::string& version() const { return version_; }
  // What it was made of, "name version" each.
  const std::vector<std::string>& packages() const { return packages_; }

  // Converts `task.disks` (paths of qcow2 overlays, boot disk first) for `task.target`; modes
  // PREFLIGHT and DIFF change nothing, UNDO puts back what was kept. The boot disk is made larger
  // when a partition has to be added. Runs at most `timeout`; ends at once when *cancel becomes
  // true. Its files are made in `work_folder` (which must exist) and removed. `progress` is called
  // on the caller's thread.
  ApplianceResult Run(const conversion::v1::ConversionTask& task, const std::string& work_folder,
                      absl::Duration timeout, const std::atomic<bool>& cancel,
                      const std::function<void(const std::string& message)>& progress) const;

 private:
  Appliance(ApplianceOptions options, std::string version, std::vector<std::string> packages,
            std::vector<Script> scripts)
      : options_(std::move(options)),
        version_(std::move(version)),
        packages_(std::move(packages)),
        scripts_(std::move(scripts)) {}
  // One machine from start to end; its result is in *task. *boot_disk_bytes: what the boot disk
  // must have for the conversion, 0 when it has it.
  absl::Status RunOnce(const std::string& folder, const std::string& initrd,
                       std::vector<crypt::QemuImage>& disks, const std::vector<int>& secrets,
                       absl::Time end, absl::Duration timeout, const std::atomic<bool>& cancel,
                       const std::function<void(const std::string&)>& progress,
                       conversion::v1::ConversionTask* task, std::uint64_t* boot_disk_bytes) const;
  // LUKS 2 takes up to 1 GiB to open, as its header says.
  int MemoryMib() const {
    return options_.disk_keys_folder.empty() ? options_.memory_mib
                                             : std::max(options_.memory_mib, 2048);
  }
  // `disks`: those of the task, opened.
  absl::StatusOr<std::vector<std::string>> Command(const std::string& work_folder,
                                                   const std::string& initrd,
                                                   std::vector<crypt::QemuImage>& disks,
                                                   MachineFiles& files) const;

  const ApplianceOptions options_;
  const std::string version_;
  const std::vector<std::string> packages_;
  const std::vector<Script> scripts_;
};

}  // namespace godwit::conversion

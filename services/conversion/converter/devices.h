// Opens what the disks hold, in any nesting: partitions, md arrays, LUKS, LVM, until nothing new
// appears; and closes it again.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/conversion/converter/finding.h"
#include "services/conversion/converter/volumes.h"

namespace godwit::convert {

struct DeviceOptions {
  std::vector<std::string> source_disks;  // kernel names; disk i is the i-th virtio disk
  std::string key_folder;                 // "<luks-uuid>.key" and "default.key"; need not exist
  bool read_only = false;                 // nothing is written, not even that an array was started
};

// Not thread-safe. Everything is bounded: volumes, rounds, the time of each program.
class Devices {
 public:
  explicit Devices(DeviceOptions options) : options_(std::move(options)) {}
  // Closes what is open.
  ~Devices() { Close().IgnoreError(); }
  Devices(const Devices&) = delete;
  Devices& operator=(const Devices&) = delete;

  // Opens all and fills volumes(). What cannot be opened becomes a finding: NEEDS_KEY, WRONG_KEY,
  // ARRAY_NOT_STARTED, DEGRADED_ARRAY, INCOMPLETE_VOLUME_GROUP, VOLUME_NOT_ACTIVE,
  // TOO_MANY_VOLUMES. NOT_FOUND: a disk is not there.
  absl::Status Open(std::vector<Finding>* findings);
  // Those that hold something and those that hold others, in the order in which they were found.
  std::vector<Volume>& volumes() { return volumes_; }
  // False: some container stayed closed, so volumes may be missing.
  bool complete() const { return complete_; }
  // In the reverse order; all is on the disks afterwards. Idempotent.
  absl::Status Close();

 private:
  struct Opened {
    std::string kind, name;  // "md" /dev/md100, "luks" godwit-luks0, "lvm" the VG's uuid
  };
  absl::Status OpenDisks();
  void Add(std::vector<Volume> found);
  void Problem(const std::string& severity, const std::string& reason, const std::string& message,
               const std::string& remedy);
  void OpenArrays(std::size_t from);
  void OpenLuks(std::size_t from);
  void OpenVolumeGroups(std::size_t from);
  void AddLogicalVolumes(const std::string& report);
  void ReportMissingDisks();

  const DeviceOptions options_;
  std::vector<Volume> volumes_;
  std::vector<Opened> opened_;
  std::vector<Finding>* findings_ = nullptr;
  std::vector<std::string> arrays_;  // ids of those that were tried
  bool complete_ = true;
};

}  // namespace godwit::convert

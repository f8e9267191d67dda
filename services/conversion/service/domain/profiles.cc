#include "services/conversion/service/domain/profiles.h"

namespace godwit::conversion {

const std::vector<Profile>& Profiles() {
  static const auto& profiles = *new std::vector<Profile>{
      {"kvm-virtio", "KVM with paravirtual disks and network", "virtio", "virtio"},
      {"kvm-virtio-scsi", "KVM with a paravirtual SCSI controller", "virtio-scsi", "virtio"},
      {"kvm-nvme", "KVM with NVMe disks", "nvme", "virtio"},
      {"kvm-ahci", "Emulated SATA disks and Intel network, as most hypervisors offer", "ahci",
       "e1000e"}};
  return profiles;
}

const Profile* FindProfile(absl::string_view name) {
  if (name.empty()) name = "kvm-virtio";
  for (const Profile& profile : Profiles()) {
    if (profile.name == name) return &profile;
  }
  return nullptr;
}

}  // namespace godwit::conversion

#include "services/conversion/converter/windows/requirements.h"

#include <map>

namespace godwit::convert::windows {

Requirements RequirementsOf(const std::string& profile) {
  const std::vector<std::string> virtio_nic = {"netkvm"};
  static const auto& profiles = *new std::map<std::string, Requirements>{
      {"kvm-virtio", {{"viostor"}, virtio_nic, "qemu", "virtio disks", "virtio network"}},
      {"kvm-virtio-scsi", {{"vioscsi"}, virtio_nic, "qemu", "virtio SCSI disks", "virtio network"}},
      {"kvm-nvme", {{"stornvme"}, virtio_nic, "qemu", "NVMe disks", "virtio network"}},
      {"kvm-ahci", {{"storahci", "msahci", "iaStorV"}, {}, "qemu", "AHCI disks", ""}},
      {"generic-ahci", {{"storahci", "msahci", "iaStorV"}, {}, "", "AHCI disks", ""}},
      {"ec2-nvme", {{"stornvme", "AWSNVMe"}, {"ena"}, "", "NVMe disks", "the ENA network"}},
      {"hyperv", {{"storvsc"}, {"netvsc"}, "hyperv", "Hyper-V disks", "the Hyper-V network"}},
      {"vmware-pvscsi",
       {{"pvscsi"},
        {"vmxnet3ndis6", "vmxnet3"},
        "vmware",
        "VMware paravirtual disks",
        "the vmxnet3 network"}},
  };
  const auto found = profiles.find(profile.empty() ? "kvm-virtio" : profile);
  return found == profiles.end() ? Requirements{} : found->second;
}

}  // namespace godwit::convert::windows

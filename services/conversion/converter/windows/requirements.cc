#include "services/conversion/converter/windows/requirements.h"

#include <algorithm>

#include "absl/strings/match.h"

namespace godwit::convert::windows {
namespace {

struct Drivers {
  const char* device;  // a word of a profile's disk_bus or nic_model
  std::vector<std::string> services;
  const char* words;
};

const std::vector<Drivers>& Disks() {
  static const auto& rows = *new std::vector<Drivers>{
      {"virtio", {"viostor"}, "virtio disks"},
      {"virtio-scsi", {"vioscsi"}, "virtio SCSI disks"},
      {"nvme", {"stornvme", "AWSNVMe"}, "NVMe disks"},
      {"ahci", {"storahci", "msahci", "iaStorV"}, "AHCI disks"},
      {"ide", {"intelide", "pciide"}, "IDE disks"},
      {"hyperv", {"storvsc"}, "Hyper-V disks"},
      {"pvscsi", {"pvscsi"}, "VMware paravirtual disks"},
  };
  return rows;
}

// Cards of Intel have their drivers in every Windows.
const std::vector<Drivers>& Cards() {
  static const auto& rows = *new std::vector<Drivers>{
      {"virtio", {"netkvm"}, "virtio network"},
      {"ena", {"ena"}, "the ENA network"},
      {"hyperv", {"netvsc"}, "the Hyper-V network"},
      {"vmxnet3", {"vmxnet3ndis6", "vmxnet3"}, "the vmxnet3 network"},
  };
  return rows;
}

const Drivers* Find(const std::vector<Drivers>& rows, const std::string& device) {
  const auto found = std::find_if(rows.begin(), rows.end(),
                                  [&](const Drivers& row) { return row.device == device; });
  return found == rows.end() ? nullptr : &*found;
}

bool Has(const std::vector<std::string>& services, const std::string& service) {
  return std::any_of(services.begin(), services.end(), [&](const std::string& each) {
    return absl::EqualsIgnoreCase(each, service);
  });
}

bool IsKnown(const std::string& service) {
  for (const auto* rows : {&Disks(), &Cards()}) {
    for (const Drivers& row : *rows) {
      if (Has(row.services, service)) return true;
    }
  }
  return absl::EqualsIgnoreCase(service, "vmbus");  // the way to the devices, none itself
}

}  // namespace

Requirements RequirementsOf(const Options& options) {
  Requirements out;
  if (const Drivers* const disk = Find(Disks(), options.disk_bus)) {
    out.disk_services = disk->services;
    out.disk_words = disk->words;
  }
  if (const Drivers* const card = Find(Cards(), options.nic_model)) {
    out.nic_services = card->services;
    out.nic_words = card->words;
  }
  for (const std::string& service : options.services) {
    if (!IsKnown(service) && !Has(out.disk_services, service)) out.disk_services.push_back(service);
  }
  return out;
}

}  // namespace godwit::convert::windows

// The libvirt description of a launched machine. Pure: the same input gives the same text; every
// value is escaped by the XML writer.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/jobs/targets/target.h"

namespace godwit::jobs {

// The namespace of what a domain says about itself in <metadata>.
inline constexpr char kMetadataUri[] = "urn:godwit:machine:1";
inline constexpr char kMetadataPrefix[] = "godwit";

struct DomainHost {
  std::string type = "kvm";  // or "qemu": emulated
  std::string uefi_code, uefi_variables;
  // Networks of libvirt on the host; empty: user-mode networks of QEMU.
  std::string isolated_network, user_network;
};

struct DomainFiles {
  std::vector<std::string> disks;         // qcow2, boot disk first
  std::string console_log, firmware_log;  // the latter may be empty
};

// What libvirt cannot give this machine. INVALID_ARGUMENT or FAILED_PRECONDITION names the field.
absl::Status CheckDomain(const MachineSpec& spec, const DomainHost& host);

// `ports`: guest port -> "host:port", chosen before; only used by user-mode networks.
std::string DomainXml(const MachineSpec& spec, const DomainHost& host, const DomainFiles& files,
                      const std::map<int, std::string>& ports);

// The element that DomainXml puts into <metadata> (id, epoch of the lease, tags), without a
// namespace: virDomainSetMetadata adds it.
std::string MetadataXml(const MachineSpec& spec);
// The epoch of such an element. INTERNAL: it is none of ours.
absl::StatusOr<std::int64_t> EpochOf(const std::string& metadata);
// Name of the boot order's nth disk in the guest's bus, "vda".
std::string TargetDevice(const std::string& disk_bus, std::size_t index);

}  // namespace godwit::jobs

// What a driver's .inf file says to one version of Windows: the devices it serves, its service and
// its files. Pure; the file is bounded by inf_text.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/conversion/converter/windows/inf_text.h"
#include "services/conversion/converter/windows/version.h"

namespace godwit::convert::windows {

// A value below the service's key: "HKR, subkey, name, flags, data".
struct InfServiceValue {
  std::string subkey, name;
  std::uint32_t type = 0;  // as in the registry
  std::vector<std::string> data;
};

struct InfService {
  std::string name;
  std::uint32_t type = 1, start = 3, error_control = 1;
  std::string binary;  // "viostor.sys", as in the package
  std::string group;   // LoadOrderGroup
  std::vector<InfServiceValue> values;
};

struct DriverInf {
  std::string class_name;  // "SCSIAdapter"
  std::string class_guid;  // "{4D36E97B-E325-11CE-BFC1-08002BE10318}"
  std::string provider;
  std::string date, version;              // "01/20/2020", "100.80.104.17300"
  std::vector<std::string> hardware_ids;  // upper case, in the file's order
  std::optional<InfService> service;      // of the devices
  std::vector<std::string> files;         // of the package besides the .inf itself, sorted

  // Disks cannot be reached without it.
  bool IsStorage() const;
};

// NOT_FOUND: it serves no device on this version and architecture of Windows. INVALID_ARGUMENT: it
// lacks what every driver has.
absl::StatusOr<DriverInf> ReadDriverInf(const InfText& text, const Version& version);

// The decoration of a section for models ("NTamd64.10.0...17763") against a version: nothing when
// it is for others, else larger for a closer one.
std::optional<std::int64_t> RankDecoration(const std::string& decoration, const Version& version);

}  // namespace godwit::convert::windows

#include "services/conversion/converter/windows/inject.h"

#include <algorithm>

#include "absl/base/internal/endian.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/windows/names.h"

namespace godwit::convert::windows {
namespace {

constexpr char kWindowsVersionKey[] = R"(Microsoft\Windows\CurrentVersion)";
constexpr char kDatabase[] = "DriverDatabase\\";

// A GUID as it lies in memory: three little-endian numbers and eight bytes.
std::string GuidBytes(const std::string& guid) {
  std::string hex;
  for (const char c : guid) {
    if (absl::ascii_isxdigit(static_cast<unsigned char>(c))) hex.push_back(c);
  }
  hex.resize(32, '0');
  std::string bytes;
  for (const int at : {6, 4, 2, 0, 10, 8, 14, 12, 16, 18, 20, 22, 24, 26, 28, 30}) {
    std::uint32_t byte = 0;
    (void)absl::SimpleHexAtoi(hex.substr(static_cast<std::size_t>(at), 2), &byte);
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

RegValue ServiceValue(const InfServiceValue& value) {
  const std::string first = value.data.empty() ? "" : value.data[0];
  std::uint32_t number = 0;
  switch (value.type) {
    case 1:
      return RegSz(first);
    case 2:
      return RegExpandSz(first);
    case 7:
      return RegMultiSz(value.data);
    case 4:
      if (absl::StartsWithIgnoreCase(first, "0x")) {
        (void)absl::SimpleHexAtoi(first, &number);
      } else {
        (void)absl::SimpleAtoi(first, &number);
      }
      return RegDword(number);
  }
  std::string bytes;
  for (const std::string& byte : value.data) {
    (void)absl::SimpleHexAtoi(byte, &number);
    bytes.push_back(static_cast<char>(number & 0xff));
  }
  return RegBinary(bytes);
}

// The device's id, and the same without the maker of the board: Windows looks for both.
std::vector<std::string> Ids(const DriverInf& inf) {
  std::vector<std::string> ids;
  const auto add = [&](const std::string& id) {
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  };
  for (const std::string& id : inf.hardware_ids) {
    add(id);
    std::vector<std::string> kept;
    for (const absl::string_view part : absl::StrSplit(id, '&')) {
      if (!absl::StartsWith(part, "SUBSYS_")) kept.emplace_back(part);
    }
    if (absl::StartsWith(id, "PCI\\")) add(absl::StrJoin(kept, "&"));
  }
  return ids;
}

// StartOverride names hardware profiles in which the driver starts otherwise.
absl::Status StartAtBoot(Hive& system, const std::string& key) {
  RETURN_IF_ERROR(system.Set(key, "Start", RegDword(0)));
  for (const auto& [profile, start] : system.Values(key + "\\StartOverride")) {
    RETURN_IF_ERROR(system.Set(key + "\\StartOverride", profile, RegDword(0)));
  }
  return absl::OkStatus();
}

absl::Status SetService(Hive& system, const std::string& control_set, const InfService& service) {
  const std::string key = absl::StrCat(control_set, "\\Services\\", service.name);
  RETURN_IF_ERROR(system.Set(key, "Type", RegDword(service.type)));
  RETURN_IF_ERROR(StartAtBoot(system, key));
  RETURN_IF_ERROR(system.Set(key, "ErrorControl", RegDword(service.error_control)));
  RETURN_IF_ERROR(
      system.Set(key, "Group", RegSz(service.group.empty() ? "SCSI miniport" : service.group)));
  RETURN_IF_ERROR(system.Set(key, "ImagePath",
                             RegExpandSz(absl::StrCat("system32\\drivers\\", service.binary))));
  for (const InfServiceValue& value : service.values) {
    const std::string where = value.subkey.empty() ? key : absl::StrCat(key, "\\", value.subkey);
    RETURN_IF_ERROR(system.Set(where, value.name, ServiceValue(value)));
  }
  return absl::OkStatus();
}

// Until Windows 7.
absl::Status BindByCriticalDevices(Hive& system, const std::string& control_set,
                                   const DriverInf& inf) {
  for (const std::string& id : Ids(inf)) {
    const std::string key = absl::StrCat(control_set, R"(\Control\CriticalDeviceDatabase\)",
                                         absl::StrReplaceAll(id, {{"\\", "#"}}));
    RETURN_IF_ERROR(system.Set(key, "Service", RegSz(inf.service->name)));
    RETURN_IF_ERROR(system.Set(key, "ClassGUID", RegSz(inf.class_guid)));
  }
  return absl::OkStatus();
}

// Since Windows 8. The package has a name of our own and no date or version, so that the proper
// one, which the first boot installs, is always the better driver.
absl::Status BindByDatabase(Hive& system, const DriverPackage& package,
                            const std::string& architecture) {
  const char* const word = architecture == "x86_64" ? "amd64"
                           : architecture == "i386" ? "x86"
                                                    : "arm64";
  const std::string inf = absl::StrCat("godwit_", package.name, ".inf");
  const std::string label = absl::StrCat(inf, "_", word, "_0000000000000000");
  const std::string configuration = absl::StrCat("godwit_", package.name, "_conf");
  const std::string files = absl::StrCat(kDatabase, "DriverInfFiles\\", inf);
  RETURN_IF_ERROR(system.Set(files, "", RegMultiSz({label})));
  RETURN_IF_ERROR(system.Set(files, "Active", RegSz(label)));
  RETURN_IF_ERROR(system.Set(files, "Configurations", RegMultiSz({configuration})));
  const std::string key = absl::StrCat(kDatabase, "DriverPackages\\", label);
  std::string version("\x00\xff\x09\x00\x00\x00\x00\x00", 8);
  version += GuidBytes(package.inf.class_guid);
  version.resize(48, '\0');
  RETURN_IF_ERROR(system.Set(key, "Version", RegBinary(version)));
  const std::string conf = absl::StrCat(key, "\\Configurations\\", configuration);
  RETURN_IF_ERROR(system.Set(conf, "ConfigFlags", RegDword(0)));
  RETURN_IF_ERROR(system.Set(conf, "Service", RegSz(package.inf.service->name)));
  for (const std::string& id : Ids(package.inf)) {
    RETURN_IF_ERROR(system.Set(absl::StrCat(kDatabase, "DeviceIds\\", id), inf,
                               RegBinary(absl::string_view("\x01\xff\x00\x00", 4))));
    RETURN_IF_ERROR(system.Set(absl::StrCat(key, "\\Descriptors\\", id), "Configuration",
                               RegSz(configuration)));
  }
  return absl::OkStatus();
}

absl::Status ExtendDevicePath(Hive& software, const std::string& folder) {
  std::string path = software.GetText(kWindowsVersionKey, "DevicePath");
  if (path.empty()) path = R"(%SystemRoot%\inf)";
  for (const absl::string_view part : absl::StrSplit(path, ';')) {
    if (absl::EqualsIgnoreCase(part, folder)) return absl::OkStatus();
  }
  return software.Set(kWindowsVersionKey, "DevicePath",
                      RegExpandSz(absl::StrCat(path, ";", folder)));
}

}  // namespace

absl::Status InjectDriver(Guest& guest, const DriverPackage& package) {
  const std::string summary = absl::StrCat(
      "driver ", package.name, package.inf.version.empty() ? "" : " ", package.inf.version);
  const std::string folder = absl::StrCat(kDriverFolder, "/", package.name);
  for (const auto& [name, content] : package.files) {
    RETURN_IF_ERROR(guest.root->Write(
        "drivers",
        PlaceFor(*guest.root, absl::StrCat(guest.facts.system_root, "/", folder, "/", name)),
        content, summary));
  }
  RETURN_IF_ERROR(ExtendDevicePath(
      guest.software,
      absl::StrCat(R"(%SystemRoot%\)", absl::StrReplaceAll(folder, {{"/", "\\"}}))));
  if (!package.inf.IsStorage() || !package.inf.service) return absl::OkStatus();
  const InfService& service = *package.inf.service;
  const auto binary = package.files.find(service.binary);
  if (binary == package.files.end()) {
    return absl::NotFoundError(absl::StrCat(package.inf_name, ": no ", service.binary));
  }
  RETURN_IF_ERROR(guest.root->Write(
      "drivers",
      PlaceFor(*guest.root,
               absl::StrCat(guest.facts.system_root, "/System32/drivers/", service.binary)),
      binary->second, summary));
  for (const std::string& control_set : guest.facts.control_sets) {
    RETURN_IF_ERROR(SetService(guest.system, control_set, service));
    if (!guest.facts.version.HasDriverDatabase()) {
      RETURN_IF_ERROR(BindByCriticalDevices(guest.system, control_set, package.inf));
    }
  }
  return guest.facts.version.HasDriverDatabase()
             ? BindByDatabase(guest.system, package, guest.facts.version.architecture)
             : absl::OkStatus();
}

absl::Status StartOwnDiskDrivers(Guest& guest) {
  Hive& system = guest.system;
  for (const std::string& control_set : guest.facts.control_sets) {
    for (const char* name : {"storahci", "msahci", "stornvme", "pciide", "intelide", "atapi",
                             "LSI_SAS", "vmbus", "storvsc"}) {
      const std::string key = absl::StrCat(control_set, "\\Services\\", name);
      if (system.GetDword(key, "Start")) RETURN_IF_ERROR(StartAtBoot(system, key));
    }
    // Network cards of Hyper-V are no matter of the boot: that the driver may start is enough.
    const std::string netvsc = control_set + "\\Services\\netvsc";
    if (system.GetDword(netvsc, "Start") == 4u) {
      RETURN_IF_ERROR(system.Set(netvsc, "Start", RegDword(3)));
    }
    const bool binds_msahci = !guest.facts.version.HasDriverDatabase() &&
                              system.HasKey(control_set + R"(\Services\msahci)");
    if (binds_msahci) {
      const std::string key = control_set + R"(\Control\CriticalDeviceDatabase\PCI#CC_0106)";
      RETURN_IF_ERROR(system.Set(key, "Service", RegSz("msahci")));
      RETURN_IF_ERROR(
          system.Set(key, "ClassGUID", RegSz("{4D36E96A-E325-11CE-BFC1-08002BE10318}")));
    }
  }
  return absl::OkStatus();
}

bool StartsAtBoot(const Guest& guest, const std::string& service) {
  return std::all_of(guest.facts.control_sets.begin(), guest.facts.control_sets.end(),
                     [&](const std::string& control_set) {
                       return guest.system.GetDword(
                                  absl::StrCat(control_set, "\\Services\\", service), "Start") ==
                              0u;
                     });
}

}  // namespace godwit::convert::windows

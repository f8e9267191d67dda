#include "tests/support/phony_windows.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/base/internal/endian.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/windows/hive.h"
#include "services/conversion/converter/windows/text.h"

namespace godwit::testing {
namespace {

using convert::windows::Hive;
using convert::windows::RegBinary;
using convert::windows::RegDword;
using convert::windows::RegExpandSz;
using convert::windows::RegMultiSz;
using convert::windows::RegSz;

constexpr std::uint32_t kNone = 0xffffffff;
constexpr std::uint32_t kPage = 4096;

class Bytes {
 public:
  Bytes& Text(absl::string_view text) {
    out_.append(text.data(), text.size());
    return *this;
  }
  Bytes& U16(std::uint16_t number) {
    char bytes[2];
    absl::little_endian::Store16(bytes, number);
    return Text({bytes, 2});
  }
  Bytes& U32(std::uint32_t number) {
    char bytes[4];
    absl::little_endian::Store32(bytes, number);
    return Text({bytes, 4});
  }
  Bytes& Zeros(std::size_t count) {
    out_.append(count, '\0');
    return *this;
  }
  const std::string& str() const { return out_; }

 private:
  std::string out_;
};

// Cells in use have a negative size and are multiples of eight bytes.
std::string Cell(const std::string& content) {
  const std::size_t size = (content.size() + 4 + 7) / 8 * 8;
  Bytes cell;
  cell.U32(static_cast<std::uint32_t>(-static_cast<std::int32_t>(size))).Text(content);
  return cell.Zeros(size - cell.str().size()).str();
}

absl::Status Put(const std::string& folder, const std::string& path, const std::string& content) {
  const std::string whole = absl::StrCat(folder, "/", path);
  RETURN_IF_ERROR(MakeDirs(std::filesystem::path(whole).parent_path().string()));
  std::ofstream file(whole, std::ios::binary);
  file << content;
  file.close();
  return file ? absl::OkStatus() : absl::InternalError(whole);
}

// The headers of a PE program, as far as its architecture.
std::string Program(const std::string& architecture) {
  Bytes program;
  program.Text("MZ").Zeros(58).U32(64).Text(absl::string_view("PE\0\0", 4));
  program.U16(architecture == "amd64" ? 0x8664 : 0x014c).Zeros(442);
  return program.str();
}

absl::Status FillSoftware(const PhonyWindows& guest, Hive& hive) {
  const std::string nt = R"(Microsoft\Windows NT\CurrentVersion)";
  const std::string windows = R"(Microsoft\Windows\CurrentVersion)";
  RETURN_IF_ERROR(hive.Set(nt, "ProductName", RegSz(guest.product_name)));
  RETURN_IF_ERROR(hive.Set(nt, "CurrentVersion", RegSz(guest.current_version)));
  RETURN_IF_ERROR(hive.Set(nt, "CurrentBuild", RegSz(absl::StrCat(guest.build))));
  RETURN_IF_ERROR(hive.Set(nt, "CurrentBuildNumber", RegSz(absl::StrCat(guest.build))));
  RETURN_IF_ERROR(hive.Set(nt, "InstallationType", RegSz(guest.installation_type)));
  RETURN_IF_ERROR(hive.Set(nt, "EditionID", RegSz(guest.edition)));
  if (guest.major != 0) {
    RETURN_IF_ERROR(hive.Set(nt, "CurrentMajorVersionNumber",
                             RegDword(static_cast<std::uint32_t>(guest.major))));
    RETURN_IF_ERROR(hive.Set(nt, "CurrentMinorVersionNumber",
                             RegDword(static_cast<std::uint32_t>(guest.minor))));
  }
  std::string id(1272, '\0');
  const std::string kind = convert::windows::ToUtf16("Volume:GVLK");
  id.replace(1016, kind.size(), kind);
  RETURN_IF_ERROR(hive.Set(nt, "DigitalProductId4", RegBinary(id)));
  RETURN_IF_ERROR(hive.Set(windows, "DevicePath", RegExpandSz(R"(%SystemRoot%\inf)")));
  return hive.Set(windows + R"(\Uninstall\{0A1B2C3D-0000-4000-8000-0123456789AB})", "DisplayName",
                  RegSz("VMware Tools"));
}

absl::Status FillSystem(const PhonyWindows& guest, Hive& hive) {
  for (const char* value : {"Current", "Default", "LastKnownGood"}) {
    RETURN_IF_ERROR(hive.Set("Select", value, RegDword(1)));
  }
  RETURN_IF_ERROR(hive.Set("Select", "Failed", RegDword(0)));
  const std::string set = "ControlSet001";
  const std::string services = set + "\\Services\\";
  RETURN_IF_ERROR(hive.Set(
      "MountedDevices", R"(\DosDevices\C:)",
      RegBinary(absl::string_view("\x78\x56\x34\x12\x00\x00\x10\x00\x00\x00\x00\x00", 12))));
  RETURN_IF_ERROR(
      hive.Set(set + R"(\Control\ComputerName\ComputerName)", "ComputerName", RegSz("SOURCE-WIN")));
  RETURN_IF_ERROR(hive.Set(set + R"(\Control\CrashControl)", "AutoReboot", RegDword(1)));
  RETURN_IF_ERROR(hive.Set(set + R"(\Control\Session Manager\Memory Management)", "PagingFiles",
                           RegMultiSz({R"(C:\pagefile.sys 0 0)"})));
  for (const char* service : {"VMTools", "VMMemCtl", "vsepflt"}) {
    RETURN_IF_ERROR(hive.Set(services + service, "Start", RegDword(2)));
  }
  RETURN_IF_ERROR(hive.Set(services + "LSI_SAS", "Start", RegDword(0)));
  RETURN_IF_ERROR(hive.Set(services + "Tcpip", "Start", RegDword(0)));
  const std::string disks = set + R"(\Control\Class\{4D36E967-E325-11CE-BFC1-08002BE10318})";
  RETURN_IF_ERROR(hive.Set(disks, "Class", RegSz("DiskDrive")));
  RETURN_IF_ERROR(hive.Set(disks, "UpperFilters", RegMultiSz({"partmgr", "vsepflt"})));
  const std::string interface =
      services + R"(Tcpip\Parameters\Interfaces\{11111111-2222-4333-8444-555555555555})";
  RETURN_IF_ERROR(hive.Set(interface, "EnableDHCP", RegDword(0)));
  RETURN_IF_ERROR(hive.Set(interface, "IPAddress", RegMultiSz({"192.0.2.10"})));
  RETURN_IF_ERROR(hive.Set(interface, "SubnetMask", RegMultiSz({"255.255.255.0"})));
  RETURN_IF_ERROR(hive.Set(interface, "DefaultGateway", RegMultiSz({"192.0.2.1"})));
  RETURN_IF_ERROR(hive.Set(interface, "NameServer", RegSz("192.0.2.2,192.0.2.3")));
  RETURN_IF_ERROR(hive.Set(set + R"(\Control\Network\{4D36E972-E325-11CE-BFC1-08002BE10318})" +
                               R"(\{11111111-2222-4333-8444-555555555555}\Connection)",
                           "Name", RegSz("Ethernet0")));
  const bool has_database = guest.build >= 9200;
  if (!has_database) {
    RETURN_IF_ERROR(hive.Set(services + "msahci", "Start", RegDword(3)));
    return hive.MakeKey(set + R"(\Control\CriticalDeviceDatabase)");
  }
  for (const char* service : {"storahci", "stornvme", "vmbus", "storvsc"}) {
    RETURN_IF_ERROR(hive.Set(services + service, "Start", RegDword(3)));
  }
  RETURN_IF_ERROR(hive.Set(services + R"(storahci\StartOverride)", "0", RegDword(3)));
  for (const char* key : {"DriverInfFiles", R"(DeviceIds\PCI)", "DriverPackages"}) {
    RETURN_IF_ERROR(hive.MakeKey(absl::StrCat("DriverDatabase\\", key)));
  }
  return absl::OkStatus();
}

}  // namespace

const std::vector<PhonyWindows>& PhonyWindowsGuests() {
  static const auto& guests = *new std::vector<PhonyWindows>{
      {"win7-x86", "Windows 7 Professional", "Client", "Professional", "6.1", 0, 0, 7601, "x86"},
      {"win7-x64", "Windows 7 Ultimate", "Client", "Ultimate", "6.1", 0, 0, 7601, "amd64"},
      {"win10-x64", "Windows 10 Pro", "Client", "Professional", "6.3", 10, 0, 19045, "amd64"},
      {"win11-x64", "Windows 10 Pro", "Client", "Professional", "6.3", 10, 0, 22631, "amd64"},
      {"2k8r2", "Windows Server 2008 R2 Standard", "Server", "ServerStandard", "6.1", 0, 0, 7601,
       "amd64"},
      {"2k12r2", "Windows Server 2012 R2 Standard", "Server", "ServerStandard", "6.3", 0, 0, 9600,
       "amd64"},
      {"2k16", "Windows Server 2016 Datacenter", "Server", "ServerDatacenter", "6.3", 10, 0, 14393,
       "amd64"},
      {"2k19", "Windows Server 2019 Standard", "Server", "ServerStandard", "6.3", 10, 0, 17763,
       "amd64"},
      {"2k22", "Windows Server 2022 Standard", "Server Core", "ServerStandard", "6.3", 10, 0, 20348,
       "amd64"},
      {"2k25", "Windows Server 2025 Datacenter", "Server", "ServerDatacenter", "6.3", 10, 0, 26100,
       "amd64"},
  };
  return guests;
}

const PhonyWindows& PhonyWindowsGuest(const std::string& name) {
  for (const PhonyWindows& guest : PhonyWindowsGuests()) {
    if (guest.name == name) return guest;
  }
  std::abort();
}

std::string WithSequence(std::string hive, unsigned primary, unsigned secondary) {
  absl::little_endian::Store32(hive.data() + 4, primary);
  absl::little_endian::Store32(hive.data() + 8, secondary);
  std::uint32_t sum = 0;
  for (std::size_t at = 0; at < 508; at += 4) sum ^= absl::little_endian::Load32(hive.data() + at);
  absl::little_endian::Store32(hive.data() + 508, sum);
  return hive;
}

std::string EmptyHive() {
  constexpr std::uint32_t kRoot = 0x20, kNodeBytes = 0x4c;
  constexpr std::uint64_t kTime = 0x01d0000000000000;
  const std::string name = "ROOT";
  const auto security =
      kRoot + static_cast<std::uint32_t>(Cell(std::string(kNodeBytes + name.size(), 'x')).size());
  // The root key: no subkeys, no values, its name in one byte a letter.
  Bytes node;
  node.Text("nk").U16(0x2c).U32(kTime & 0xffffffff).U32(kTime >> 32).U32(0).U32(kNone);
  node.U32(0).U32(0).U32(kNone).U32(kNone).U32(0).U32(kNone).U32(security).U32(kNone);
  node.Zeros(20).U16(static_cast<std::uint16_t>(name.size())).U16(0).Text(name);
  // Its security: a descriptor that names nobody, in a list of its own.
  const std::string nobody = Bytes().U16(1).U16(0x8000).Zeros(16).str();
  Bytes rights;
  rights.Text("sk").U16(0).U32(security).U32(security).U32(1);
  rights.U32(static_cast<std::uint32_t>(nobody.size())).Text(nobody);
  Bytes bin;
  bin.Text("hbin").U32(0).U32(kPage).Zeros(20).Text(Cell(node.str())).Text(Cell(rights.str()));
  const auto free = kPage - static_cast<std::uint32_t>(bin.str().size());
  bin.U32(free).Zeros(free - 4);
  Bytes base;
  base.Text("regf").U32(1).U32(1).U32(kTime & 0xffffffff).U32(kTime >> 32).U32(1).U32(3).U32(0);
  base.U32(1).U32(kRoot).U32(kPage).U32(1);
  base.Zeros(kPage - base.str().size());
  return WithSequence(base.str(), 1, 1) + bin.str();
}

absl::Status MakePhonyWindows(const PhonyWindows& guest, const std::string& folder) {
  ASSIGN_OR_RETURN(Hive software, Hive::Open("SOFTWARE", EmptyHive()));
  RETURN_IF_ERROR(FillSoftware(guest, software));
  ASSIGN_OR_RETURN(Hive system, Hive::Open("SYSTEM", EmptyHive()));
  RETURN_IF_ERROR(FillSystem(guest, system));
  // Servers' installers write the folder in capitals, now and then.
  const std::string config =
      guest.build == 14393 ? "WINDOWS/system32/config/" : "Windows/System32/config/";
  ASSIGN_OR_RETURN(const std::string software_bytes, software.Serialize());
  ASSIGN_OR_RETURN(const std::string system_bytes, system.Serialize());
  RETURN_IF_ERROR(Put(folder, config + "SOFTWARE", software_bytes));
  RETURN_IF_ERROR(Put(folder, config + "SYSTEM", system_bytes));
  RETURN_IF_ERROR(Put(folder, config + "../ntoskrnl.exe", Program(guest.architecture)));
  RETURN_IF_ERROR(Put(folder, config + "../drivers/disk.sys", "disk"));
  return Put(folder, "Boot/BCD", EmptyHive());
}

std::string PhonyInf(const std::string& service, const std::string& decoration,
                     const std::string& version) {
  struct Kind {
    const char *class_name, *guid, *id, *group;
  };
  const Kind kind =
      service == "viostor"
          ? Kind{"SCSIAdapter", "{4d36e97b-e325-11ce-bfc1-08002be10318}",
                 R"(PCI\VEN_1AF4&DEV_1001&SUBSYS_00021AF4&REV_00, PCI\VEN_1AF4&DEV_1042)",
                 "SCSI miniport"}
      : service == "vioscsi"
          ? Kind{"SCSIAdapter", "{4d36e97b-e325-11ce-bfc1-08002be10318}",
                 R"(PCI\VEN_1AF4&DEV_1004&SUBSYS_00081AF4&REV_00)", "SCSI miniport"}
          : Kind{"Net", "{4d36e972-e325-11ce-bfc1-08002be10318}",
                 R"(PCI\VEN_1AF4&DEV_1000&SUBSYS_00011AF4&REV_00)", "NDIS"};
  return absl::StrReplaceAll(R"(; a driver of disks or cards
[Version]
Signature = "$WINDOWS NT$"
Class = CLASS
ClassGuid = GUID
Provider = %Vendor%
DriverVer = 01/20/2024,VERSION
CatalogFile = SERVICE.cat

[SourceDisksNames]
1 = %Disk%,,,

[SourceDisksFiles]
SERVICE.sys = 1,,

[DestinationDirs]
DefaultDestDir = 12

[Manufacturer]
%Vendor% = Models, DECORATION

[Models.DECORATION]
%Device% = Install, IDS

[Install]
CopyFiles = @SERVICE.sys

[Install.Services]
AddService = SERVICE, %SPSVCINST_ASSOCSERVICE%, \
  Service_Inst

[Service_Inst]
DisplayName = %Device%
ServiceType = %SERVICE_KERNEL_DRIVER%
StartType = 3
ErrorControl = 1
ServiceBinary = %12%\SERVICE.sys
LoadOrderGroup = GROUP
AddReg = Pnp_AddReg

[Pnp_AddReg]
HKR, "Parameters\PnpInterface", "5", 0x00010001, 0x00000001

[Strings]
Vendor = "Phony; Inc."
Device = "A ""phony"" device"
Disk = "Disk"
SPSVCINST_ASSOCSERVICE = 0x00000002
SERVICE_KERNEL_DRIVER = 1
)",
                             {{"CLASS", kind.class_name},
                              {"GUID", kind.guid},
                              {"IDS", kind.id},
                              {"GROUP", kind.group},
                              {"VERSION", version},
                              {"DECORATION", decoration},
                              {"SERVICE.", service + "."},
                              {"AddService = SERVICE", "AddService = " + service},
                              {"\n", "\r\n"}});
}

absl::Status MakePhonyDrivers(const std::string& folder) {
  struct Target {
    const char *word, *architecture, *decoration;
  };
  for (const Target& target : std::vector<Target>{{"w7", "x86", "NTx86.6.1"},
                                                  {"w7", "amd64", "NTamd64.6.1"},
                                                  {"2k8R2", "amd64", "NTamd64.6.1"},
                                                  {"2k12R2", "amd64", "NTamd64.6.3"},
                                                  {"w10", "x86", "NTx86.10.0"},
                                                  {"w10", "amd64", "NTamd64.10.0"},
                                                  {"w11", "amd64", "NTamd64.10.0...22000"},
                                                  {"2k16", "amd64", "NTamd64.10.0"},
                                                  {"2k19", "amd64", "NTamd64.10.0"},
                                                  {"2k22", "amd64", "NTamd64.10.0...20348"},
                                                  {"2k25", "amd64", "NTamd64.10.0...26100"}}) {
    int number = 0;
    for (const std::string service : {"viostor", "vioscsi", "NetKVM"}) {
      const std::string stem = service == "NetKVM" ? "netkvm" : service;
      const std::string place =
          absl::StrCat(service, "/", target.word, "/", target.architecture, "/", stem);
      const std::string inf =
          PhonyInf(stem, target.decoration, absl::StrCat("100.", number++, ".104.26200"));
      // Makers write UTF-16 as often as not.
      const bool wide = stem == "vioscsi";
      RETURN_IF_ERROR(
          Put(folder, place + ".inf", wide ? "\xff\xfe" + convert::windows::ToUtf16(inf) : inf));
      RETURN_IF_ERROR(Put(folder, place + ".sys",
                          absl::StrCat(stem, " for ", target.word, " ", target.architecture)));
      RETURN_IF_ERROR(Put(folder, place + ".cat", "signature"));
      RETURN_IF_ERROR(Put(folder, place + ".pdb", "not needed"));
    }
  }
  return absl::OkStatus();
}

}  // namespace godwit::testing

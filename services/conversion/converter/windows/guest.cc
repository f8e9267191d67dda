#include "services/conversion/converter/windows/guest.h"

#include <algorithm>

#include "absl/base/internal/endian.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/windows/names.h"
#include "services/conversion/converter/windows/old_platform.h"
#include "services/conversion/converter/windows/regf_header.h"
#include "services/conversion/converter/windows/text.h"

namespace godwit::convert::windows {
namespace {

constexpr char kNt[] = R"(Microsoft\Windows NT\CurrentVersion)";
constexpr std::size_t kMaxProgram = std::size_t{64} << 20;
constexpr int kFirstBuildOfWindows11 = 22000;

std::optional<std::string> FindSystemRoot(const GuestRoot& root) {
  for (const char* name : {"Windows", "WINNT"}) {
    const std::string config = absl::StrCat(name, "/System32/config");
    if (!FindPath(root, config + "/SYSTEM") || !FindPath(root, config + "/SOFTWARE")) continue;
    return FindPath(root, name);
  }
  return std::nullopt;
}

absl::StatusOr<HiveLog> ReadLog(const GuestRoot& root, const std::string& hive,
                                const std::string& suffix) {
  HiveLog log;
  const std::optional<std::string> path = FindPath(root, hive + suffix);
  if (!path) return log;
  log.name = path->substr(path->rfind('/') + 1);
  absl::StatusOr<std::string> bytes = root.Read(*path, Hive::kMaxBytes);
  RETURN_IF_ERROR(bytes);
  log.head = bytes->substr(0, 4096);
  return log;
}

absl::StatusOr<Hive> OpenHive(const GuestRoot& root, const std::string& path, bool allow_unclean) {
  const std::string name = path.substr(path.rfind('/') + 1);
  ASSIGN_OR_RETURN(const std::string bytes, root.Read(path, Hive::kMaxBytes));
  ASSIGN_OR_RETURN(const HiveLog log1, ReadLog(root, path, ".LOG1"));
  ASSIGN_OR_RETURN(const HiveLog log2, ReadLog(root, path, ".LOG2"));
  const absl::Status whole = CheckHiveIsWhole(name, bytes, log1, log2);
  if (!whole.ok() && !(allow_unclean && absl::IsFailedPrecondition(whole))) return whole;
  return Hive::Open(name, bytes);
}

void ReadVersion(const GuestRoot& root, const Hive& system, const Hive& software, Facts* facts) {
  Version& version = facts->version;
  const std::string number = software.GetText(kNt, "CurrentVersion");
  if (const std::size_t dot = number.find('.'); dot != std::string::npos) {
    (void)absl::SimpleAtoi(number.substr(0, dot), &version.major);
    (void)absl::SimpleAtoi(number.substr(dot + 1), &version.minor);
  }
  // Windows 10 keeps "6.3" for old programs.
  if (const auto major = software.GetDword(kNt, "CurrentMajorVersionNumber")) {
    version.major = static_cast<int>(std::min(*major, 99u));
    version.minor = static_cast<int>(
        std::min(software.GetDword(kNt, "CurrentMinorVersionNumber").value_or(0), 99u));
  }
  for (const char* value : {"CurrentBuildNumber", "CurrentBuild"}) {
    if (version.build == 0) (void)absl::SimpleAtoi(software.GetText(kNt, value), &version.build);
  }
  facts->product_name = software.GetText(kNt, "ProductName");
  facts->edition = software.GetText(kNt, "EditionID");
  facts->installation_type = software.GetText(kNt, "InstallationType");
  const std::string kind =
      system.GetText(facts->control_sets[0] + R"(\Control\ProductOptions)", "ProductType");
  version.server = absl::StartsWith(facts->installation_type, "Server") ||
                   absl::StrContains(facts->product_name, "Server") || kind == "ServerNT" ||
                   kind == "LanmanNT";
  if (!version.server && version.build >= kFirstBuildOfWindows11) {
    facts->product_name = absl::StrReplaceAll(facts->product_name, {{"Windows 10", "Windows 11"}});
  }
  for (const char* program : {"ntoskrnl.exe", "cmd.exe"}) {
    if (!version.architecture.empty()) break;
    const auto path = FindPath(root, absl::StrCat(facts->system_root, "/System32/", program));
    const auto bytes = path ? root.Read(*path, kMaxProgram) : absl::NotFoundError(program);
    if (bytes.ok()) version.architecture = ArchitectureOfProgram(*bytes);
  }
  if (version.architecture.empty()) {
    const std::string word =
        system.GetText(facts->control_sets[0] + R"(\Control\Session Manager\Environment)",
                       "PROCESSOR_ARCHITECTURE");
    version.architecture = ArchitectureOfWord(absl::AsciiStrToLower(word));
  }
}

// How it was activated, by the product id: a block of fixed places, with the kind of key as text.
std::string Activation(const Hive& software) {
  constexpr std::size_t kKindAt = 1016, kKindBytes = 128;
  std::string kind;
  if (const auto id = software.Get(kNt, "DigitalProductId4");
      id && id->data.size() >= kKindAt + kKindBytes) {
    kind = FromUtf16(absl::string_view(id->data).substr(kKindAt, kKindBytes));
  }
  if (absl::StartsWithIgnoreCase(kind, "volume")) return "volume";
  if (absl::StartsWithIgnoreCase(kind, "oem")) return "OEM";
  if (absl::StartsWithIgnoreCase(kind, "retail")) return "retail";
  if (absl::StrContains(software.GetText(kNt, "ProductId"), "-OEM-")) return "OEM";
  const std::string platform = std::string(kNt) + R"(\SoftwareProtectionPlatform)";
  return software.GetText(platform, "KeyManagementServiceName").empty() ? "" : "volume";
}

absl::Status ReadControlSets(const Hive& system, Facts* facts) {
  // The loader boots "Default"; "Current" was the last one used.
  for (const char* value : {"Current", "Default"}) {
    const std::optional<std::uint32_t> number = system.GetDword("Select", value);
    if (!number || *number > 999) continue;
    const std::string set = absl::StrFormat("ControlSet%03d", *number);
    const bool known = std::count(facts->control_sets.begin(), facts->control_sets.end(), set) > 0;
    if (!known && system.HasKey(set)) facts->control_sets.push_back(set);
  }
  if (facts->control_sets.empty()) {
    return absl::InvalidArgumentError("the registry hive SYSTEM names no control set to boot");
  }
  return absl::OkStatus();
}

}  // namespace

std::string ArchitectureOfProgram(absl::string_view head) {
  if (head.size() < 64 || !absl::StartsWith(head, "MZ")) return "";
  const std::uint32_t at = absl::little_endian::Load32(head.data() + 60);
  if (head.size() < 6 || at > head.size() - 6 ||
      head.substr(at, 4) != absl::string_view("PE\0\0", 4))
    return "";
  switch (absl::little_endian::Load16(head.data() + at + 4)) {
    case 0x8664:
      return "x86_64";
    case 0x014c:
      return "i386";
    case 0xaa64:
      return "aarch64";
  }
  return "";
}

bool LooksLikeWindows(const GuestRoot& root) { return FindSystemRoot(root).has_value(); }

absl::StatusOr<Guest> OpenGuest(GuestRoot* root, bool allow_unclean) {
  const std::optional<std::string> system_root = FindSystemRoot(*root);
  if (!system_root) return absl::NotFoundError("no Windows with its registry was found");
  const std::string config = *system_root + "/System32/config/";
  const std::string system_path = *FindPath(*root, config + "SYSTEM");
  const std::string software_path = *FindPath(*root, config + "SOFTWARE");
  ASSIGN_OR_RETURN(Hive system, OpenHive(*root, system_path, allow_unclean));
  ASSIGN_OR_RETURN(Hive software, OpenHive(*root, software_path, allow_unclean));
  Facts facts{.system_root = *system_root};
  RETURN_IF_ERROR(ReadControlSets(system, &facts));
  ReadVersion(*root, system, software, &facts);
  const std::string& set = facts.control_sets[0];
  facts.computer_name =
      system.GetText(set + R"(\Control\ComputerName\ComputerName)", "ComputerName");
  facts.activation = Activation(software);
  facts.page_files =
      system.GetTexts(set + R"(\Control\Session Manager\Memory Management)", "PagingFiles");
  facts.hypervisor_tools = FindHypervisorTools(system, software, set);
  facts.paravirtual_drivers = FindParavirtualDrivers(system, set);
  // What firmware the kernel was started by at its last boot.
  if (const auto firmware = system.GetDword(set + R"(\Control)", "PEFirmwareType")) {
    facts.boot_mode = *firmware == 2 ? "UEFI" : *firmware == 1 ? "BIOS" : "";
  }
  if (FindPath(*root, "Boot/BCD")) facts.boot_mode = "BIOS";
  if (facts.version.major == 0 || facts.version.build == 0) {
    return absl::InvalidArgumentError("the registry hive SOFTWARE names no version of Windows");
  }
  return Guest{.root = root,
               .system_path = system_path,
               .software_path = software_path,
               .system = std::move(system),
               .software = std::move(software),
               .facts = std::move(facts)};
}

}  // namespace godwit::convert::windows

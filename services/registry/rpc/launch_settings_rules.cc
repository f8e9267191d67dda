#include <arpa/inet.h>

#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"
#include "services/common/image/formats.h"
#include "services/common/rpc/serve.h"
#include "services/registry/rpc/field_rules.h"
#include "services/registry/rpc/fields.h"
#include "services/registry/rpc/settings_rules.h"

namespace godwit::registry {
namespace {

namespace jobs_pb = ::godwit::jobs::v1;

constexpr int kMaxNics = 64;
constexpr int kMaxPorts = 64;
constexpr int kMaxHttpChecks = 16;
constexpr int kMaxActions = 100;
constexpr int kMaxCommands = 16;
constexpr int kMaxParameters = 20;
constexpr int kMaxTags = 50;
constexpr int kMaxPort = 65535;
constexpr std::int64_t kLeastMemory = std::int64_t{128} << 20;
constexpr std::int64_t kMostMemory = std::int64_t{64} << 40;

absl::Status CheckIpv4(const std::string& field, const std::string& text) {
  in_addr parsed;
  if (text.empty() || inet_pton(AF_INET, text.c_str(), &parsed) == 1) return absl::OkStatus();
  return rpc::FieldError(field, "must be an IPv4 address such as 192.0.2.7");
}

absl::Status CheckMac(const std::string& field, const std::string& text) {
  bool good = text.empty() || text.size() == 17;
  for (std::size_t i = 0; good && i < text.size(); ++i) {
    good = i % 3 == 2 ? text[i] == ':' : absl::ascii_isxdigit(text[i]);
  }
  if (good) return absl::OkStatus();
  return rpc::FieldError(field, "must look like 52:54:00:12:34:56");
}

absl::Status CheckNic(const std::string& field, const jobs_pb::Nic& nic) {
  RETURN_IF_ERROR(CheckMac(field + ".mac_address", nic.mac_address()));
  if (!nic.static_address().empty()) {
    const std::vector<std::string> parts = absl::StrSplit(nic.static_address(), '/');
    int length = 0;
    if (parts.size() != 2 || parts[0].empty() || !absl::SimpleAtoi(parts[1], &length) ||
        length < 1 || length > 32 || !CheckIpv4("", parts[0]).ok()) {
      return rpc::FieldError(field + ".static_address", "must look like 192.0.2.7/24");
    }
  }
  RETURN_IF_ERROR(CheckIpv4(field + ".gateway", nic.gateway()));
  if (!nic.gateway().empty() && nic.static_address().empty()) {
    return rpc::FieldError(field + ".gateway", "needs static_address");
  }
  return CheckText(field + ".bridge", nic.bridge(), 0, 15);
}

absl::Status CheckForwards(const std::string& prefix, const jobs_pb::LaunchSettings& settings,
                           std::set<int>* guest_ports) {
  RETURN_IF_ERROR(CheckCount(prefix, settings.port_forwards_size(), kMaxPorts));
  std::set<std::pair<std::string, int>> taken;
  for (int i = 0; i < settings.port_forwards_size(); ++i) {
    const jobs_pb::PortForward& forward = settings.port_forwards(i);
    const std::string field = absl::StrCat(prefix, "[", i, "]");
    RETURN_IF_ERROR(CheckRange(field + ".guest_port", forward.guest_port(), 1, kMaxPort));
    RETURN_IF_ERROR(CheckRange(field + ".host_port", forward.host_port(), 0, kMaxPort));
    RETURN_IF_ERROR(CheckIpv4(field + ".host_address", forward.host_address()));
    if (!guest_ports->insert(forward.guest_port()).second) {
      return rpc::FieldError(field + ".guest_port", "is forwarded twice");
    }
    if (forward.host_port() != 0 &&
        !taken.emplace(forward.host_address(), forward.host_port()).second) {
      return rpc::FieldError(field + ".host_port", "is used twice");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckForwarded(const std::string& field, int port, const std::set<int>& guest_ports) {
  if (guest_ports.count(port) != 0) return absl::OkStatus();
  return rpc::FieldError(field, absl::StrCat(port, " is no guest_port of port_forwards"));
}

absl::Status CheckProof(const std::string& prefix, const jobs_pb::BootProof& proof,
                        const std::set<int>& guest_ports) {
  RETURN_IF_ERROR(CheckDuration(prefix + ".timeout", proof.has_timeout(), proof.timeout(),
                                absl::Seconds(1), absl::Hours(2)));
  RETURN_IF_ERROR(CheckText(prefix + ".console_text", proof.console_text(), 0, 1024));
  RETURN_IF_ERROR(CheckCount(prefix + ".tcp_ports", proof.tcp_ports_size(), kMaxPorts));
  for (const int port : proof.tcp_ports()) {
    RETURN_IF_ERROR(CheckForwarded(prefix + ".tcp_ports", port, guest_ports));
  }
  RETURN_IF_ERROR(CheckCount(prefix + ".http_checks", proof.http_checks_size(), kMaxHttpChecks));
  for (int i = 0; i < proof.http_checks_size(); ++i) {
    const jobs_pb::HttpCheck& check = proof.http_checks(i);
    const std::string field = absl::StrCat(prefix, ".http_checks[", i, "]");
    RETURN_IF_ERROR(CheckForwarded(field + ".guest_port", check.guest_port(), guest_ports));
    RETURN_IF_ERROR(CheckText(field + ".path", check.path(), 0, 2048));
    if (!check.path().empty() &&
        (check.path()[0] != '/' || check.path().find_first_of(" \n\t") != std::string::npos)) {
      return rpc::FieldError(field + ".path", "must begin with / and have no white space");
    }
    if (check.status() != 0) {
      RETURN_IF_ERROR(CheckRange(field + ".status", check.status(), 100, 599));
    }
    RETURN_IF_ERROR(CheckText(field + ".body_contains", check.body_contains(), 0, 4096));
  }
  RETURN_IF_ERROR(CheckCount(prefix + ".commands", proof.commands_size(), kMaxCommands));
  for (int i = 0; i < proof.commands_size(); ++i) {
    const std::string field = absl::StrCat(prefix, ".commands[", i, "]");
    RETURN_IF_ERROR(CheckText(field + ".command", proof.commands(i).command(), 1, 4096));
    RETURN_IF_ERROR(
        CheckText(field + ".output_contains", proof.commands(i).output_contains(), 0, 1024));
  }
  return absl::OkStatus();
}

absl::Status CheckParameters(const std::string& field, const jobs_pb::PostLaunchAction& action) {
  RETURN_IF_ERROR(CheckCount(field, action.parameters_size(), kMaxParameters));
  for (const auto& [name, value] : action.parameters()) {
    bool good = !name.empty() && name.size() <= 64 && !absl::ascii_isdigit(name[0]);
    for (const char c : name) good = good && (absl::ascii_isalnum(c) || c == '_');
    if (!good) {
      return rpc::FieldError(
          field, absl::StrCat("\"", name, "\" is no name of letters, digits and underscores"));
    }
    RETURN_IF_ERROR(CheckText(absl::StrCat(field, ".", name), value, 0, 1024));
  }
  return absl::OkStatus();
}

absl::Status CheckMachine(const std::string& prefix, const jobs_pb::LaunchSettings& settings) {
  const std::set<std::string> buses = {"", "virtio", "virtio-scsi", "nvme", "ahci", "pvscsi"};
  if (buses.count(settings.disk_bus()) == 0) {
    return rpc::FieldError(prefix + ".disk_bus",
                           "must be virtio, virtio-scsi, nvme, ahci, pvscsi or empty");
  }
  if (!settings.export_format().empty() &&
      image::FindImageFormat(settings.export_format()) == nullptr) {
    return rpc::FieldError(prefix + ".export_format",
                           absl::StrCat("must be one of ", image::ImageFormatNames()));
  }
  RETURN_IF_ERROR(CheckText(prefix + ".licensing_note", settings.licensing_note(), 0, 1024));
  RETURN_IF_ERROR(CheckCount(prefix + ".machine_tags", settings.machine_tags_size(), kMaxTags));
  for (const auto& [key, value] : settings.machine_tags()) {
    RETURN_IF_ERROR(CheckText(prefix + ".machine_tags", key, 1, 128));
    RETURN_IF_ERROR(CheckText(prefix + ".machine_tags", value, 0, 256));
  }
  return absl::OkStatus();
}

absl::Status CheckAllNotes(const std::string& prefix, const jobs_pb::LaunchSettings& settings) {
  std::size_t left = kMostNoteBytes;
  RETURN_IF_ERROR(CheckNotes(prefix + ".notes", settings.notes(), &left));
  for (int i = 0; i < settings.post_launch_actions_size(); ++i) {
    RETURN_IF_ERROR(CheckNotes(absl::StrCat(prefix, ".post_launch_actions[", i, "].notes"),
                               settings.post_launch_actions(i).notes(), &left));
  }
  return absl::OkStatus();
}

absl::Status CheckActions(const std::string& prefix, const jobs_pb::LaunchSettings& settings) {
  RETURN_IF_ERROR(CheckCount(prefix, settings.post_launch_actions_size(), kMaxActions));
  std::set<std::string> ids;
  std::set<int> orders;
  for (int i = 0; i < settings.post_launch_actions_size(); ++i) {
    const jobs_pb::PostLaunchAction& action = settings.post_launch_actions(i);
    const std::string field = absl::StrCat(prefix, "[", i, "]");
    RETURN_IF_ERROR(CheckText(field + ".action_id", action.action_id(), 1, 64));
    if (!ids.insert(action.action_id()).second) {
      return rpc::FieldError(field + ".action_id", "appears twice");
    }
    RETURN_IF_ERROR(CheckRange(field + ".order", action.order(), 1, 10'000));
    if (!orders.insert(action.order()).second) {
      return rpc::FieldError(field + ".order", "appears twice");
    }
    RETURN_IF_ERROR(CheckText(field + ".command", action.command(), 1, 16 * 1024));
    RETURN_IF_ERROR(CheckDuration(field + ".timeout", action.has_timeout(), action.timeout(),
                                  absl::Seconds(1), absl::Hours(24)));
    const std::string& os = action.operating_system();
    if (!os.empty() && os != "linux" && os != "windows") {
      return rpc::FieldError(field + ".operating_system", "must be linux, windows or empty");
    }
    if (!jobs_pb::PostLaunchAction::Deployment_IsValid(action.deployment())) {
      return rpc::FieldError(field + ".deployment", "is no known value");
    }
    if (!jobs_pb::PostLaunchAction::Transport_IsValid(action.transport())) {
      return rpc::FieldError(field + ".transport", "is no known value");
    }
    RETURN_IF_ERROR(CheckParameters(field + ".parameters", action));
  }
  return absl::OkStatus();
}

absl::Status CheckEnums(const std::string& prefix, const jobs_pb::LaunchSettings& s) {
  using S = jobs_pb::LaunchSettings;
  const std::pair<const char*, bool> fields[] = {
      {"boot_mode", S::BootMode_IsValid(s.boot_mode())},
      {"disposition", S::Disposition_IsValid(s.disposition())},
      {"right_sizing", S::RightSizing_IsValid(s.right_sizing())},
      {"licensing", S::Licensing_IsValid(s.licensing())},
      {"test_network", S::Network_IsValid(s.test_network())},
      {"cutover_network", S::Network_IsValid(s.cutover_network())}};
  for (const auto& [name, valid] : fields) {
    if (!valid) return rpc::FieldError(absl::StrCat(prefix, ".", name), "is no known value");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckLaunchSettings(const std::string& prefix,
                                 const jobs_pb::LaunchSettings& settings) {
  RETURN_IF_ERROR(CheckText(prefix + ".target", settings.target(), 0, 64));
  RETURN_IF_ERROR(CheckText(prefix + ".profile", settings.profile(), 0, 64));
  RETURN_IF_ERROR(CheckEnums(prefix, settings));
  RETURN_IF_ERROR(CheckRange(prefix + ".cpu_count", settings.cpu_count(), 0, 512));
  if (settings.memory_bytes() != 0) {
    RETURN_IF_ERROR(
        CheckRange(prefix + ".memory_bytes", settings.memory_bytes(), kLeastMemory, kMostMemory));
  }
  RETURN_IF_ERROR(CheckText(prefix + ".machine_name", settings.machine_name(), 0, 63));
  for (const char c : settings.machine_name()) {
    if (!absl::ascii_isalnum(c) && c != '-' && c != '.' && c != '_') {
      return rpc::FieldError(prefix + ".machine_name",
                             "may have letters, digits, dashes, dots and underscores only");
    }
  }
  RETURN_IF_ERROR(CheckCount(prefix + ".nics", settings.nics_size(), kMaxNics));
  for (int i = 0; i < settings.nics_size(); ++i) {
    RETURN_IF_ERROR(CheckNic(absl::StrCat(prefix, ".nics[", i, "]"), settings.nics(i)));
  }
  std::set<int> guest_ports;
  RETURN_IF_ERROR(CheckForwards(prefix + ".port_forwards", settings, &guest_ports));
  RETURN_IF_ERROR(CheckProof(prefix + ".boot_proof", settings.boot_proof(), guest_ports));
  RETURN_IF_ERROR(CheckMachine(prefix, settings));
  RETURN_IF_ERROR(CheckAllNotes(prefix, settings));
  return CheckActions(prefix + ".post_launch_actions", settings);
}

void DropNotes(jobs_pb::LaunchSettings* settings) {
  settings->clear_notes();
  for (auto& action : *settings->mutable_post_launch_actions()) action.clear_notes();
}

}  // namespace godwit::registry

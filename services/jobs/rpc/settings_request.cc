#include <arpa/inet.h>

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/image/formats.h"
#include "services/common/rpc/serve.h"
#include "services/jobs/domain/derived.h"
#include "services/jobs/rpc/messages.h"
#include "services/jobs/rpc/requests.h"

namespace godwit::jobs {
namespace {

constexpr int kMostNics = 8;
constexpr int kMostForwards = 64;
constexpr int kMostChecks = 32;
constexpr int kMostCommands = 16;
constexpr int kMostActions = 100;
constexpr int kMostParameters = 20;
constexpr int kMostTags = 50;
constexpr std::size_t kMostText = 1024;
constexpr std::size_t kMostCommand = 4096;
constexpr std::size_t kMostActionCommand = 16 * 1024;

// Collects the first wrong field.
class Checker {
 public:
  explicit Checker(absl::string_view prefix) : prefix_(prefix) {}
  void Need(bool condition, absl::string_view field, absl::string_view description) {
    if (!condition && status_.ok()) {
      status_ = rpc::FieldError(absl::StrCat(prefix_, ".", field), description);
    }
  }
  // The number of the enum when it is known; `standard` for 0.
  template <typename Enum>
  Enum Choose(int number, int most, Enum standard, absl::string_view field) {
    Need(number >= 0 && number <= most, field, "unknown value");
    return number == 0 ? standard : static_cast<Enum>(number);
  }
  const absl::Status& status() const { return status_; }

 private:
  const std::string prefix_;
  absl::Status status_;
};

bool IsIpv4(const std::string& text) {
  in_addr parsed{};
  return inet_pton(AF_INET, text.c_str(), &parsed) == 1;
}

bool IsIpv4WithLength(const std::string& text) {
  const std::size_t slash = text.find('/');
  int length = -1;
  return slash != std::string::npos && absl::SimpleAtoi(text.substr(slash + 1), &length) &&
         length >= 0 && length <= 32 && IsIpv4(text.substr(0, slash));
}

bool IsPlainText(absl::string_view text, std::size_t most) {
  if (text.size() > most) return false;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  }
  return true;
}

bool IsPort(int port) { return port >= 1 && port <= 65535; }

void ReadNics(const v1::LaunchSettings& in, Checker& check, LaunchSettings* out) {
  check.Need(in.nics_size() <= kMostNics, "nics", "at most 8");
  for (const v1::Nic& nic : in.nics()) {
    check.Need(nic.mac_address().empty() || IsMac(nic.mac_address()), "nics.mac_address",
               "must be a unicast MAC address");
    check.Need(nic.static_address().empty() || IsIpv4WithLength(nic.static_address()),
               "nics.static_address", "must be an IPv4 address with a prefix length");
    check.Need(nic.gateway().empty() || IsIpv4(nic.gateway()), "nics.gateway",
               "must be an IPv4 address");
    check.Need(nic.gateway().empty() || !nic.static_address().empty(), "nics.gateway",
               "needs a static_address");
    check.Need(IsPlainText(nic.bridge(), 15), "nics.bridge", "at most 15 characters");
    out->nics.push_back({.mac_address = nic.mac_address(),
                         .static_address = nic.static_address(),
                         .gateway = nic.gateway(),
                         .bridge = nic.bridge()});
  }
}

void ReadForwards(const v1::LaunchSettings& in, Checker& check, std::set<int>* guest_ports,
                  LaunchSettings* out) {
  check.Need(in.port_forwards_size() <= kMostForwards, "port_forwards", "at most 64");
  for (const v1::PortForward& forward : in.port_forwards()) {
    check.Need(IsPort(forward.guest_port()), "port_forwards.guest_port", "must be 1 to 65535");
    check.Need(forward.host_port() == 0 || IsPort(forward.host_port()), "port_forwards.host_port",
               "must be 0 to 65535");
    check.Need(forward.host_address().empty() || IsIpv4(forward.host_address()),
               "port_forwards.host_address", "must be an IPv4 address");
    check.Need(guest_ports->insert(forward.guest_port()).second, "port_forwards.guest_port",
               "named twice");
    out->port_forwards.push_back({.guest_port = forward.guest_port(),
                                  .host_port = forward.host_port(),
                                  .host_address = forward.host_address()});
  }
}

void ReadProof(const v1::BootProof& in, const std::set<int>& guest_ports, Checker& check,
               BootProof* out) {
  if (in.has_timeout()) out->timeout = GetDuration(in.timeout());
  check.Need(out->timeout >= absl::Seconds(1) && out->timeout <= kMostProofTimeout,
             "boot_proof.timeout", "must be 1 second to 2 hours");
  check.Need(IsPlainText(in.console_text(), kMostText), "boot_proof.console_text",
             "at most 1024 printable characters");
  out->console_text = in.console_text();
  check.Need(in.tcp_ports_size() <= kMostChecks, "boot_proof.tcp_ports", "at most 32");
  for (const int port : in.tcp_ports()) {
    check.Need(guest_ports.contains(port), "boot_proof.tcp_ports", "is not in port_forwards");
    out->tcp_ports.push_back(port);
  }
  check.Need(in.http_checks_size() <= kMostChecks, "boot_proof.http_checks", "at most 32");
  for (const v1::HttpCheck& http : in.http_checks()) {
    check.Need(guest_ports.contains(http.guest_port()), "boot_proof.http_checks.guest_port",
               "is not in port_forwards");
    const bool path_fits =
        http.path().empty() || (http.path()[0] == '/' && IsPlainText(http.path(), kMostText) &&
                                !absl::StrContains(http.path(), ' '));
    check.Need(path_fits, "boot_proof.http_checks.path",
               "must begin with / and have no spaces, at most 1024 characters");
    check.Need(http.status() == 0 || (http.status() >= 100 && http.status() <= 599),
               "boot_proof.http_checks.status", "must be 100 to 599");
    check.Need(http.body_contains().size() <= kMostText, "boot_proof.http_checks.body_contains",
               "at most 1024 bytes");
    out->http_checks.push_back({.guest_port = http.guest_port(),
                                .path = http.path(),
                                .status = http.status() == 0 ? 200 : http.status(),
                                .body_contains = http.body_contains()});
  }
}

void ReadAgentProof(const v1::BootProof& in, Checker& check, BootProof* out) {
  out->guest_agent = in.guest_agent();
  check.Need(in.commands_size() <= kMostCommands, "boot_proof.commands", "at most 16");
  for (const v1::CommandCheck& command : in.commands()) {
    check.Need(!command.command().empty() && command.command().size() <= kMostCommand,
               "boot_proof.commands.command", "1 to 4096 bytes");
    check.Need(command.output_contains().size() <= kMostText, "boot_proof.commands.output_contains",
               "at most 1024 bytes");
    out->commands.push_back({.command = command.command(),
                             .exit_code = command.exit_code(),
                             .output_contains = command.output_contains()});
  }
}

bool IsVariable(absl::string_view name) {
  if (name.empty() || name.size() > 64 || absl::ascii_isdigit(name[0])) return false;
  for (const char c : name) {
    if (!absl::ascii_isalnum(c) && c != '_') return false;
  }
  return true;
}

void ReadActions(const v1::LaunchSettings& in, Checker& check, LaunchSettings* out) {
  check.Need(in.post_launch_actions_size() <= kMostActions, "post_launch_actions", "at most 100");
  std::set<std::string> ids;
  for (const v1::PostLaunchAction& action : in.post_launch_actions()) {
    PostLaunchAction to{.id = action.action_id(),
                        .order = action.order(),
                        .command = action.command(),
                        .must_succeed = action.must_succeed_for_cutover(),
                        .operating_system = action.operating_system(),
                        .active = action.active()};
    check.Need(!to.id.empty() && IsPlainText(to.id, 64) && ids.insert(to.id).second,
               "post_launch_actions.action_id", "1 to 64 printable characters, each once");
    check.Need(!to.command.empty() && to.command.size() <= kMostActionCommand,
               "post_launch_actions.command", "1 to 16384 bytes");
    if (action.has_timeout()) to.timeout = GetDuration(action.timeout());
    check.Need(to.timeout >= absl::Seconds(1) && to.timeout <= absl::Hours(24),
               "post_launch_actions.timeout", "must be 1 second to 24 hours");
    to.deployment =
        check.Choose(action.deployment(), 3, to.deployment, "post_launch_actions.deployment");
    to.transport =
        check.Choose(action.transport(), 3, to.transport, "post_launch_actions.transport");
    check.Need(action.parameters_size() <= kMostParameters, "post_launch_actions.parameters",
               "at most 20");
    for (const auto& [name, value] : action.parameters()) {
      check.Need(IsVariable(name) && value.size() <= kMostText &&
                     !absl::StrContains(value, absl::string_view("\0", 1)),
                 "post_launch_actions.parameters",
                 "names are letters, digits and underscores; values at most 1024 bytes");
      to.parameters[name] = value;
    }
    out->actions.push_back(std::move(to));
  }
  std::stable_sort(out->actions.begin(), out->actions.end(),
                   [](const auto& a, const auto& b) { return a.order < b.order; });
}

void ReadMachine(const v1::LaunchSettings& in, Checker& check, LaunchSettings* out) {
  out->copy_tags = in.copy_tags();
  out->copy_private_ip = in.copy_private_ip();
  out->licensing = check.Choose(in.licensing(), 2, out->licensing, "licensing");
  check.Need(IsPlainText(in.licensing_note(), kMostText), "licensing_note",
             "at most 1024 printable characters");
  out->licensing_note = in.licensing_note();
  check.Need(IsPlainText(in.disk_bus(), 32), "disk_bus", "at most 32 characters");
  out->disk_bus = in.disk_bus();
  check.Need(in.export_format().empty() || image::FindImageFormat(in.export_format()) != nullptr,
             "export_format", absl::StrCat("must be one of ", image::ImageFormatNames()));
  out->export_format = in.export_format();
  check.Need(in.machine_tags_size() <= kMostTags, "machine_tags", "at most 50");
  for (const auto& [key, value] : in.machine_tags()) {
    check.Need(!key.empty() && IsPlainText(key, 128) && IsPlainText(value, 256), "machine_tags",
               "keys are 1 to 128 characters, values at most 256");
    out->machine_tags[key] = value;
  }
  out->windows_allow_unclean = in.windows_allow_unclean();
}

void Warn(const LaunchSettings& settings, std::vector<std::string>* warnings) {
  if (settings.licensing == Licensing::kProvided) {
    warnings->push_back("licensing PROVIDED: this target provides no licences; the note is kept");
  }
}

}  // namespace

absl::StatusOr<LaunchSettings> ReadSettings(absl::string_view field, const v1::LaunchSettings& in,
                                            std::vector<std::string>* warnings) {
  Checker check(field);
  LaunchSettings out;
  if (!in.target().empty()) out.target = in.target();
  if (!in.profile().empty()) out.profile = in.profile();
  check.Need(IsPlainText(out.target, 64), "target", "at most 64 characters");
  check.Need(IsPlainText(out.profile, 64), "profile", "at most 64 characters");
  out.boot_mode = check.Choose(in.boot_mode(), 3, out.boot_mode, "boot_mode");
  out.disposition = check.Choose(in.disposition(), 2, out.disposition, "disposition");
  out.right_sizing = check.Choose(in.right_sizing(), 3, out.right_sizing, "right_sizing");
  check.Need(in.cpu_count() >= 0 && in.cpu_count() <= kMostCpus, "cpu_count", "must be 0 to 512");
  out.cpu_count = in.cpu_count();
  check.Need(in.memory_bytes() == 0 ||
                 (in.memory_bytes() >= kLeastMemoryBytes && in.memory_bytes() <= kMostMemoryBytes),
             "memory_bytes", "must be 0 or at least 128 MiB");
  out.memory_bytes = in.memory_bytes();
  check.Need(IsPlainText(in.machine_name(), 255), "machine_name", "at most 255 characters");
  out.machine_name = in.machine_name();
  ReadNics(in, check, &out);
  out.test_network = check.Choose(in.test_network(), 3, out.test_network, "test_network");
  out.cutover_network =
      check.Choose(in.cutover_network(), 3, out.cutover_network, "cutover_network");
  std::set<int> guest_ports;
  ReadForwards(in, check, &guest_ports, &out);
  ReadProof(in.boot_proof(), guest_ports, check, &out.boot_proof);
  ReadAgentProof(in.boot_proof(), check, &out.boot_proof);
  ReadActions(in, check, &out);
  ReadMachine(in, check, &out);
  out.quiesce_source_on_cutover = in.quiesce_source_on_cutover();
  RETURN_IF_ERROR(check.status());
  Warn(out, warnings);
  return out;
}

}  // namespace godwit::jobs

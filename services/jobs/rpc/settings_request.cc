#include <arpa/inet.h>

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/jobs/domain/derived.h"
#include "services/jobs/rpc/messages.h"
#include "services/jobs/rpc/requests.h"

namespace godwit::jobs {
namespace {

constexpr int kMostNics = 8;
constexpr int kMostForwards = 64;
constexpr int kMostChecks = 32;
constexpr std::size_t kMostText = 1024;

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

void Warn(const v1::LaunchSettings& in, std::vector<std::string>* warnings) {
  for (const v1::PostLaunchAction& action : in.post_launch_actions()) {
    if (action.active()) {
      warnings->push_back(
          absl::StrCat("post-launch action ", action.action_id(), " is kept but not run"));
    }
  }
  if (in.right_sizing() == v1::LaunchSettings::IN_USE) {
    warnings->push_back("right sizing IN_USE: no use was measured, the source's size is taken");
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
  out.quiesce_source_on_cutover = in.quiesce_source_on_cutover();
  RETURN_IF_ERROR(check.status());
  Warn(in, warnings);
  return out;
}

}  // namespace godwit::jobs

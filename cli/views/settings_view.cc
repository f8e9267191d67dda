#include "cli/views/settings_view.h"

#include <ostream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/bandwidth_window.h"
#include "cli/format.h"
#include "cli/output.h"
#include "cli/views/server_view.h"

namespace godwit::cli {
namespace {

using jobs::v1::BootProof;
using jobs::v1::LaunchSettings;
using registry::v1::ReplicationSettings;

std::string YesNo(bool value) { return value ? "yes" : "no"; }

std::string Rate(std::int64_t bytes) {
  return bytes == 0 ? "none" : absl::StrCat(Bytes(bytes), "/s");
}

// An enum's word, or what holds when nothing is chosen.
template <typename Enum>
std::string Chosen(Enum value, absl::string_view otherwise) {
  return value == 0 ? absl::StrCat(otherwise, " (default)") : EnumWord(value);
}

std::string Or(absl::string_view value, absl::string_view otherwise) {
  return std::string(value.empty() ? otherwise : value);
}

std::string Http(const jobs::v1::HttpCheck& check) {
  std::string out = absl::StrCat("port ", check.guest_port(), " ", Or(check.path(), "/"), " gives ",
                                 check.status() == 0 ? 200 : check.status());
  if (!check.body_contains().empty())
    absl::StrAppend(&out, " and contains \"", check.body_contains(), "\"");
  return out;
}

void AddProof(const BootProof& proof, Fields& fields) {
  fields.Add("Boot timeout", proof.has_timeout() ? Span(proof.timeout()) : "5m (default)");
  fields.Add("Boot console text", proof.console_text());
  if (!proof.tcp_ports().empty()) fields.Add("Boot TCP", absl::StrJoin(proof.tcp_ports(), ", "));
  for (const auto& check : proof.http_checks()) fields.Add("Boot HTTP", Http(check));
  if (proof.guest_agent()) fields.Add("Boot guest agent", "must answer");
  for (const auto& check : proof.commands()) {
    fields.Add("Boot command", absl::StrCat(check.command(), " gives ", check.exit_code()));
  }
}

}  // namespace

std::string RetentionText(const ReplicationSettings& settings) {
  if (settings.retention().empty())
    return "every point for 1m, one per 10m for 1h, one per 1h for 24h, one per 24h for 7d "
           "(default)";
  std::vector<std::string> rules;
  for (const auto& rule : settings.retention()) {
    const bool every = ToDuration(rule.every()) == absl::ZeroDuration();
    rules.push_back(
        absl::StrCat(every ? "every point" : absl::StrCat("one per ", Span(rule.every())), " for ",
                     Span(rule.age())));
  }
  return absl::StrJoin(rules, ", ");
}

void PrintReplicationSettings(const ReplicationSettings& settings, std::ostream& out) {
  Fields fields;
  fields.Add("Bandwidth limit", Rate(settings.bandwidth_limit_bytes_per_second()));
  for (const auto& window : settings.bandwidth_windows()) {
    fields.Add("  window", BandwidthWindowText(window));
  }
  fields.Add("Lanes", absl::StrCat(settings.lane_count() == 0 ? 1 : settings.lane_count()));
  fields.Add("Share weight",
             absl::StrCat(settings.share_weight() == 0 ? 1 : settings.share_weight()));
  fields.Add("Cut interval", ToDuration(settings.cut_interval()) == absl::ZeroDuration()
                                 ? "as often as the load allows"
                                 : Span(settings.cut_interval()));
  fields.Add("Freeze budget", settings.never_freeze() ? "never freezes"
                              : ToDuration(settings.freeze_budget()) == absl::ZeroDuration()
                                  ? "500ms (default)"
                                  : Span(settings.freeze_budget()));
  fields.Add("Encrypt staging", YesNo(settings.encrypt_staging()));
  fields.Add("Undo window",
             settings.has_undo_window() ? Span(settings.undo_window()) : "72h (default)");
  fields.Add("Worker labels",
             settings.worker_labels().empty() ? "any worker" : Tags(settings.worker_labels()));
  if (settings.retention().empty()) fields.Add("Retention", "default");
  for (const auto& rule : settings.retention()) {
    fields.Add("Retention",
               absl::StrCat("one point per ", Span(rule.every()), " for ", Span(rule.age())));
  }
  fields.Add("Staging tags", Tags(settings.staging_tags()));
  fields.Print(out);
}

void PrintLaunchSettings(const LaunchSettings& settings, std::ostream& out) {
  Fields fields;
  fields.Add("Target", Or(settings.target(), "qemu (default)"));
  fields.Add("Profile", Or(settings.profile(), "kvm-virtio (default)"));
  fields.Add("Machine name", Or(settings.machine_name(), "the source's host name"));
  fields.Add("Boot mode", Chosen(settings.boot_mode(), "USE_SOURCE"));
  fields.Add("Disposition", Chosen(settings.disposition(), "STARTED"));
  fields.Add("Right-sizing", Chosen(settings.right_sizing(), "BASIC"));
  fields.Add("CPUs", settings.cpu_count() == 0 ? "chosen by right-sizing"
                                               : absl::StrCat(settings.cpu_count()));
  fields.Add("Memory", settings.memory_bytes() == 0 ? "chosen by right-sizing"
                                                    : Bytes(settings.memory_bytes()));
  fields.Add("Licensing", Chosen(settings.licensing(), "BYOL"));
  fields.Add("Licensing note", settings.licensing_note());
  fields.Add("Export format", settings.export_format());
  fields.Add("Disk bus", Or(settings.disk_bus(), "what the conversion chose"));
  for (const auto& [key, value] : settings.machine_tags())
    fields.Add("Machine tag", absl::StrCat(key, "=", value));
  fields.Add("Copy tags", YesNo(settings.copy_tags()));
  fields.Add("Copy private IP", YesNo(settings.copy_private_ip()));
  fields.Add("Test network", Chosen(settings.test_network(), "ISOLATED"));
  fields.Add("Cutover network", Chosen(settings.cutover_network(), "USER"));
  for (const auto& nic : settings.nics()) {
    fields.Add("Interface", absl::StrCat(Or(nic.mac_address(), "own MAC"), " ",
                                         Or(nic.static_address(), "address as configured"),
                                         nic.gateway().empty() ? "" : " via ", nic.gateway(),
                                         nic.bridge().empty() ? "" : " on ", nic.bridge()));
  }
  for (const auto& forward : settings.port_forwards()) {
    const std::string port =
        forward.host_port() == 0 ? ", a free port" : absl::StrCat(":", forward.host_port());
    fields.Add("Port forward", absl::StrCat(forward.guest_port(), " at ",
                                            Or(forward.host_address(), "127.0.0.1"), port));
  }
  AddProof(settings.boot_proof(), fields);
  fields.Add("Quiesce the source on cutover", YesNo(settings.quiesce_source_on_cutover()));
  fields.Add("Unclean Windows", settings.windows_allow_unclean() ? "taken as it is" : "refused");
  for (const auto& action : settings.post_launch_actions()) {
    fields.Add("Action", absl::StrCat(action.order(), " ", action.action_id(),
                                      action.active() ? "" : " (inactive)",
                                      action.must_succeed_for_cutover() ? " (must succeed)" : "",
                                      ": ", action.command()));
  }
  fields.Print(out);
}

absl::Status PrintTemplate(Context& context, const registry::v1::SettingsTemplate& one) {
  if (context.json()) return PrintJson(context, one);
  Fields fields;
  fields.Add("Template", ShortName(one.name()));
  fields.Add("Tags of servers", Tags(one.tags()));
  fields.Print(context.out());
  PrintReplicationSettings(one.replication(), context.out());
  PrintLaunchSettings(one.launch(), context.out());
  return absl::OkStatus();
}

}  // namespace godwit::cli

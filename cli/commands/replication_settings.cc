#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/bandwidth_window.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/settings_json.h"
#include "cli/views/settings_view.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"

namespace godwit::cli {
namespace {

using registry::v1::ReplicationSettings;
using registry::v1::SourceServerService;

struct Given {
  std::string bandwidth, json;
  std::int64_t lanes = 0, weight = 0;
  absl::Duration cut_interval, freeze_budget, undo_window;
  bool never_freeze = false, encrypt_staging = false;
  std::vector<std::string> windows, labels, retention;

  void AddTo(Options& options);
  // Puts what was given into `settings`; the paths that changed.
  absl::StatusOr<std::set<std::string>> Apply(const Options& options,
                                              ReplicationSettings& settings) const;
};

void Given::AddTo(Options& options) {
  options.String("bandwidth-limit", &bandwidth, "SIZE", "bytes a second on the wire; 0: none");
  options.Strings("bandwidth-window", &windows, "WINDOW",
                  "[DAYS@]HH:MM-HH:MM=LIMIT, UTC, for example mon-fri@08:00-18:00=2MiB or "
                  "22:00-06:00=paused; the first that matches counts; \"none\" empties the list");
  options.Int("lanes", &lanes, 1, 8,
              "parallel block streams, each on a connection of its own, 1 to 8");
  options.Int("share-weight", &weight, 1, 100,
              "share of its worker beside other servers, 1 to 100 (default 1)");
  options.Duration("cut-interval", &cut_interval,
                   "time between points; 0: 10 s (interim epochs come several a second)");
  options.Duration("freeze-budget", &freeze_budget, "longest freeze of the source's file systems");
  options.Bool("never-freeze", &never_freeze, "forbid the freeze");
  options.Bool("encrypt-staging", &encrypt_staging,
               "encrypt staging at rest; an existing replica must be begun anew");
  options.Duration("undo-window", &undo_window, "how long the last point outlives finalize");
  options.Strings("worker-label", &labels, "K=V",
                  "only workers with this label; \"none\" empties the list");
  options.Strings("retention", &retention, "EVERY/AGE",
                  "one point per EVERY for points younger than AGE");
  options.String("json", &json, "FILE",
                 "ReplicationSettings as protobuf JSON; \"-\": standard input");
}

absl::Status SetRetention(const std::vector<std::string>& texts, ReplicationSettings& settings) {
  settings.clear_retention();
  for (const std::string& text : texts) {
    const std::vector<std::string> parts = absl::StrSplit(text, '/');
    if (parts.size() != 2) {
      return absl::InvalidArgumentError(
          absl::StrCat("--retention: \"", text, "\" is not EVERY/AGE, for example 10m/1h"));
    }
    ASSIGN_OR_RETURN(const absl::Duration every, ParseSpan("retention", parts[0]));
    ASSIGN_OR_RETURN(const absl::Duration age, ParseSpan("retention", parts[1]));
    auto& rule = *settings.add_retention();
    *rule.mutable_every() = FromDuration(every);
    *rule.mutable_age() = FromDuration(age);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::set<std::string>> Given::Apply(const Options& options,
                                                   ReplicationSettings& settings) const {
  std::set<std::string> paths;
  if (!json.empty()) {
    ASSIGN_OR_RETURN(paths, MergeJsonFile(json, settings));
  }
  const auto is_given = [&](absl::string_view option, const char* path) {
    if (options.Given(option)) paths.insert(path);
    return options.Given(option);
  };
  if (is_given("bandwidth-limit", "bandwidth_limit_bytes_per_second")) {
    ASSIGN_OR_RETURN(const std::int64_t limit, ParseBytes("bandwidth-limit", bandwidth));
    settings.set_bandwidth_limit_bytes_per_second(limit);
  }
  if (is_given("bandwidth-window", "bandwidth_windows")) {
    settings.clear_bandwidth_windows();
    if (windows != std::vector<std::string>{"none"}) {
      for (const std::string& window : windows) {
        ASSIGN_OR_RETURN(*settings.add_bandwidth_windows(), ParseBandwidthWindow(window));
      }
    }
  }
  if (is_given("lanes", "lane_count")) settings.set_lane_count(static_cast<int>(lanes));
  if (is_given("share-weight", "share_weight")) settings.set_share_weight(static_cast<int>(weight));
  if (is_given("cut-interval", "cut_interval"))
    *settings.mutable_cut_interval() = FromDuration(cut_interval);
  if (is_given("freeze-budget", "freeze_budget"))
    *settings.mutable_freeze_budget() = FromDuration(freeze_budget);
  if (is_given("never-freeze", "never_freeze")) settings.set_never_freeze(never_freeze);
  if (is_given("encrypt-staging", "encrypt_staging")) settings.set_encrypt_staging(encrypt_staging);
  if (is_given("undo-window", "undo_window"))
    *settings.mutable_undo_window() = FromDuration(undo_window);
  if (is_given("worker-label", "worker_labels")) {
    settings.clear_worker_labels();
    if (labels != std::vector<std::string>{"none"}) {
      ASSIGN_OR_RETURN(const auto entries, KeyValues("--worker-label", labels));
      settings.mutable_worker_labels()->insert(entries.begin(), entries.end());
    }
  }
  if (is_given("retention", "retention")) RETURN_IF_ERROR(SetRetention(retention, settings));
  return paths;
}

absl::Status Print(Context& context, const ReplicationSettings& settings) {
  if (context.json()) return PrintJson(context, settings);
  PrintReplicationSettings(settings, context.out());
  return absl::OkStatus();
}

Command Get() {
  return {.words = "replication settings get",
          .arguments = "SERVER",
          .purpose = "how a server is replicated",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            registry::v1::GetSettingsRequest request;
            ASSIGN_OR_RETURN(*request.mutable_name(), ServerName(context, arguments[0]));
            ASSIGN_OR_RETURN(
                const ReplicationSettings settings,
                Call(context, &SourceServerService::Stub::GetReplicationSettings, request));
            return Print(context, settings);
          }};
}

Command Set() {
  auto given = std::make_shared<Given>();
  return {.words = "replication settings set",
          .arguments = "SERVER",
          .purpose = "changes only what is given",
          .least = 1,
          .most = 1,
          .options = [given](Options& options) { given->AddTo(options); },
          .run = [given](Context& context, const Options& options,
                         const Arguments& arguments) -> absl::Status {
            registry::v1::UpdateReplicationSettingsRequest request;
            ASSIGN_OR_RETURN(const std::set<std::string> paths,
                             given->Apply(options, *request.mutable_settings()));
            if (paths.empty()) {
              return absl::InvalidArgumentError(
                  "nothing to change: `godwit replication settings set --help` lists the options");
            }
            for (const std::string& path : paths) request.mutable_update_mask()->add_paths(path);
            ASSIGN_OR_RETURN(*request.mutable_name(), ServerName(context, arguments[0]));
            ASSIGN_OR_RETURN(
                const ReplicationSettings settings,
                Call(context, &SourceServerService::Stub::UpdateReplicationSettings, request));
            return Print(context, settings);
          }};
}

}  // namespace

std::vector<Command> ReplicationSettingsCommands() { return {Get(), Set()}; }

}  // namespace godwit::cli

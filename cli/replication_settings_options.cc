#include "cli/replication_settings_options.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/bandwidth_window.h"
#include "cli/format.h"
#include "cli/names.h"
#include "services/common/base/status_macros.h"

namespace godwit::cli {

using registry::v1::ReplicationSettings;

namespace {

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

}  // namespace

void ReplicationSettingsOptions::AddTo(Options& options) {
  options.String("bandwidth-limit", &bandwidth_, "SIZE", "bytes a second on the wire; 0: none");
  options.Strings("bandwidth-window", &windows_, "WINDOW",
                  "[DAYS@]HH:MM-HH:MM=LIMIT, UTC, for example mon-fri@08:00-18:00=2MiB or "
                  "22:00-06:00=paused; the first that matches counts; \"none\" empties the list");
  options.Int("lanes", &lanes_, 1, 8,
              "parallel block streams, each on a connection of its own, 1 to 8");
  options.Int("share-weight", &weight_, 1, 100,
              "share of its worker beside other servers, 1 to 100 (default 1)");
  options.Duration("cut-interval", &cut_interval_,
                   "time between points; 0: 10 s (interim epochs come several a second)");
  options.Duration("freeze-budget", &freeze_budget_, "longest freeze of the source's file systems");
  options.Bool("never-freeze", &never_freeze_, "forbid the freeze");
  options.Bool("encrypt-staging", &encrypt_staging_,
               "encrypt staging at rest; an existing replica must be begun anew");
  options.Duration("undo-window", &undo_window_, "how long the last point outlives finalize");
  options.Strings("worker-label", &labels_, "K=V",
                  "only workers with this label; \"none\" empties the list");
  options.Strings("retention", &retention_, "EVERY/AGE",
                  "one point per EVERY for points younger than AGE");
}

absl::Status ReplicationSettingsOptions::Apply(const Options& options,
                                               ReplicationSettings& settings,
                                               std::set<std::string>& paths) const {
  const auto is_given = [&](absl::string_view option, const char* path) {
    if (options.Given(option)) paths.insert(path);
    return options.Given(option);
  };
  if (is_given("bandwidth-limit", "bandwidth_limit_bytes_per_second")) {
    ASSIGN_OR_RETURN(const std::int64_t limit, ParseBytes("bandwidth-limit", bandwidth_));
    settings.set_bandwidth_limit_bytes_per_second(limit);
  }
  if (is_given("bandwidth-window", "bandwidth_windows")) {
    settings.clear_bandwidth_windows();
    if (windows_ != std::vector<std::string>{"none"}) {
      for (const std::string& window : windows_) {
        ASSIGN_OR_RETURN(*settings.add_bandwidth_windows(), ParseBandwidthWindow(window));
      }
    }
  }
  if (is_given("lanes", "lane_count")) settings.set_lane_count(static_cast<int>(lanes_));
  if (is_given("share-weight", "share_weight"))
    settings.set_share_weight(static_cast<int>(weight_));
  if (is_given("cut-interval", "cut_interval"))
    *settings.mutable_cut_interval() = FromDuration(cut_interval_);
  if (is_given("freeze-budget", "freeze_budget"))
    *settings.mutable_freeze_budget() = FromDuration(freeze_budget_);
  if (is_given("never-freeze", "never_freeze")) settings.set_never_freeze(never_freeze_);
  if (is_given("encrypt-staging", "encrypt_staging"))
    settings.set_encrypt_staging(encrypt_staging_);
  if (is_given("undo-window", "undo_window"))
    *settings.mutable_undo_window() = FromDuration(undo_window_);
  if (is_given("worker-label", "worker_labels")) {
    settings.clear_worker_labels();
    if (labels_ != std::vector<std::string>{"none"}) {
      ASSIGN_OR_RETURN(const auto entries, KeyValues("--worker-label", labels_));
      settings.mutable_worker_labels()->insert(entries.begin(), entries.end());
    }
  }
  if (is_given("retention", "retention")) RETURN_IF_ERROR(SetRetention(retention_, settings));
  return absl::OkStatus();
}

}  // namespace godwit::cli

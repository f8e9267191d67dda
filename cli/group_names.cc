#include "cli/group_names.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/call.h"
#include "cli/format.h"
#include "cli/names.h"
#include "godwit/jobs/v1/wave_run_service.grpc.pb.h"
#include "godwit/registry/v1/fleet_service.grpc.pb.h"
#include "services/common/base/ids.h"

namespace godwit::cli {
namespace {

using jobs::v1::WaveRun;
using jobs::v1::WaveRunService;
using registry::v1::FleetService;

bool IsName(absl::string_view collection, absl::string_view prefix, absl::string_view text) {
  return absl::StartsWith(text, absl::StrCat(collection, "/")) ||
         CheckId(collection, prefix, text).ok();
}

absl::StatusOr<std::string> OnlyOne(absl::string_view noun, absl::string_view text,
                                    const std::vector<std::string>& found) {
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    return absl::NotFoundError(absl::StrCat("no ", noun, " is called \"", text, "\""));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("several of these are called \"", text, "\", name one of them: ",
                   absl::StrJoin(found, ", ", [](std::string* out, const std::string& name) {
                     absl::StrAppend(out, ShortName(name));
                   })));
}

// Archived ones as well: they can be brought back by name.
registry::v1::ListGroupsRequest Everything() {
  registry::v1::ListGroupsRequest request;
  request.set_show_archived(true);
  return request;
}

}  // namespace

absl::StatusOr<std::string> WaveName(Context& context, absl::string_view text) {
  if (IsName("waves", "wave-", text)) return SimpleName("WAVE", "waves", "wave-", text);
  ASSIGN_OR_RETURN(const auto all,
                   CallAllPages(context, &FleetService::Stub::ListWaves, Everything()));
  std::vector<std::string> found;
  for (const auto& wave : all.waves()) {
    if (wave.display_name() == text) found.push_back(wave.name());
  }
  return OnlyOne("wave", text, found);
}

absl::StatusOr<std::string> ApplicationName(Context& context, absl::string_view wave,
                                            absl::string_view text) {
  if (IsName("applications", "app-", text)) {
    return SimpleName("APPLICATION", "applications", "app-", text);
  }
  ASSIGN_OR_RETURN(const auto all, CallAllPages(context, &FleetService::Stub::ListApplications,
                                                registry::v1::ListGroupsRequest()));
  std::vector<std::string> found;
  for (const auto& application : all.applications()) {
    if (application.wave() == wave && application.display_name() == text) {
      found.push_back(application.name());
    }
  }
  return OnlyOne("application of this wave", text, found);
}

absl::StatusOr<std::string> AnyApplicationName(Context& context, absl::string_view text) {
  if (IsName("applications", "app-", text)) {
    return SimpleName("APPLICATION", "applications", "app-", text);
  }
  ASSIGN_OR_RETURN(const auto all,
                   CallAllPages(context, &FleetService::Stub::ListApplications, Everything()));
  std::vector<std::string> found;
  for (const auto& application : all.applications()) {
    if (application.display_name() == text) found.push_back(application.name());
  }
  return OnlyOne("application", text, found);
}

absl::StatusOr<WaveRun> FindWaveRun(Context& context, absl::string_view text) {
  if (!IsName("waveRuns", "wr-", text)) {
    jobs::v1::ListWaveRunsRequest newest;
    newest.set_page_size(1);
    ASSIGN_OR_RETURN(*newest.mutable_wave(), WaveName(context, text));
    ASSIGN_OR_RETURN(const auto runs, Call(context, &WaveRunService::Stub::ListWaveRuns, newest));
    if (runs.wave_runs().empty()) {
      return absl::NotFoundError(absl::StrCat(ShortName(newest.wave()), " has no runs"));
    }
    // The list has no groups.
    return FindWaveRun(context, runs.wave_runs(0).name());
  }
  jobs::v1::GetWaveRunRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), SimpleName("RUN", "waveRuns", "wr-", text));
  return Call(context, &WaveRunService::Stub::GetWaveRun, request);
}

}  // namespace godwit::cli

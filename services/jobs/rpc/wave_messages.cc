#include "services/jobs/rpc/wave_messages.h"

#include <google/protobuf/util/json_util.h>

#include "absl/strings/str_cat.h"
#include "services/jobs/rpc/messages.h"

namespace godwit::jobs {
namespace {

template <typename Message>
void SetSpan(const std::optional<absl::Time>& start, const std::optional<absl::Time>& end,
             Message* out) {
  if (start) SetTime(*start, out->mutable_start_time());
  if (end) SetTime(*end, out->mutable_end_time());
}

void SetMember(const WaveMember& member, v1::WaveRunServer* out) {
  out->set_source_server(absl::StrCat("sourceServers/", member.server));
  out->set_hostname(member.hostname);
  out->set_state(static_cast<v1::WaveRunServer::State>(member.state));
  out->set_reason(member.reason);
  const std::string& job = member.remove_job.empty() ? member.job : member.remove_job;
  if (!job.empty()) out->set_job(absl::StrCat("jobs/", job));
  out->set_attempt_count(member.attempt);
  out->set_left_behind(member.left_behind);
  SetSpan(member.start_time, member.end_time, out);
}

void SetGroup(const WaveGroup& group, v1::WaveRunGroup* out) {
  out->set_application(absl::StrCat("applications/", group.application));
  out->set_display_name(group.display_name);
  out->set_state(static_cast<v1::WaveRunGroup::State>(group.state));
  out->set_state_reason(group.reason);
  out->set_needs_approval(group.needs_approval);
  out->set_approved_by(group.approved_by);
  SetSpan(group.start_time, group.end_time, out);
  for (const WaveMember& member : group.members) SetMember(member, out->add_servers());
}

void FillIn(const WaveOptions& options, v1::WaveRunOptions* out) {
  out->set_max_parallel_servers(options.max_parallel_servers);
  out->set_stop_after_failed_count(options.stop_after_failed);
}

void SetFinding(const WaveFinding& finding, v1::PlanFinding* out) {
  out->set_severity(finding.blocks ? v1::PlanFinding::BLOCKER : v1::PlanFinding::WARNING);
  out->set_reason(finding.reason);
  out->set_message(finding.message);
}

}  // namespace

std::string OptionsText(const v1::WaveRunOptions& options) {
  std::string text;
  return google::protobuf::util::MessageToJsonString(options, &text).ok() ? text : "";
}

v1::WaveRun ToMessage(const WaveRun& run) {
  v1::WaveRun out;
  out.set_name(absl::StrCat("waveRuns/", run.id));
  out.set_kind(static_cast<v1::WaveRun::Kind>(run.kind));
  out.set_state(static_cast<v1::WaveRun::State>(run.state));
  out.set_state_reason(run.reason);
  out.set_wave(absl::StrCat("waves/", run.wave));
  out.set_wave_display_name(run.wave_name);
  out.set_initiated_by(run.initiated_by);
  // Written by us; what a later version knows more is left out.
  google::protobuf::util::JsonParseOptions lenient;
  lenient.ignore_unknown_fields = true;
  if (!google::protobuf::util::JsonStringToMessage(run.request, out.mutable_options(), lenient)
           .ok()) {
    out.mutable_options()->Clear();
  }
  FillIn(run.options, out.mutable_options());
  for (const WaveGroup& group : run.groups) SetGroup(group, out.add_groups());
  SetTime(run.create_time, out.mutable_create_time());
  SetTime(run.state_time, out.mutable_state_time());
  SetSpan(run.start_time, run.end_time, &out);
  out.set_etag(absl::StrCat(run.version));
  return out;
}

v1::WaveRunEvent ToMessage(const WaveEventRecord& record) {
  v1::WaveRunEvent out;
  out.set_sequence(record.sequence);
  SetTime(record.time, out.mutable_time());
  out.set_type(static_cast<v1::WaveRunEvent::Type>(record.event.type));
  if (!record.event.application.empty()) {
    out.set_application(absl::StrCat("applications/", record.event.application));
  }
  if (!record.event.server.empty()) {
    out.set_source_server(absl::StrCat("sourceServers/", record.event.server));
  }
  out.set_message(record.event.message);
  return out;
}

v1::WaveRunPlan ToMessage(const WavePlan& plan, const v1::WaveRunOptions& options) {
  v1::WaveRunPlan out;
  out.set_wave(absl::StrCat("waves/", plan.wave));
  out.set_wave_display_name(plan.wave_name);
  out.set_kind(static_cast<v1::WaveRun::Kind>(plan.kind));
  *out.mutable_options() = options;
  FillIn(plan.options, out.mutable_options());
  out.set_blocked_server_count(plan.blocked_servers());
  for (const WaveFinding& finding : plan.findings) SetFinding(finding, out.add_findings());
  for (const PlannedGroup& group : plan.groups) {
    v1::PlannedGroup* planned = out.add_groups();
    planned->set_application(absl::StrCat("applications/", group.application));
    planned->set_display_name(group.display_name);
    planned->set_placement(group.placement);
    planned->set_needs_approval(group.needs_approval);
    planned->set_check_count(static_cast<int>(group.checks.size()));
    for (const PlannedServer& server : group.servers) {
      v1::PlannedServer* entry = planned->add_servers();
      entry->set_source_server(absl::StrCat("sourceServers/", server.id));
      entry->set_hostname(server.hostname);
      entry->set_already_done(server.already_done);
      for (const WaveFinding& finding : server.findings) SetFinding(finding, entry->add_findings());
    }
  }
  return out;
}

}  // namespace godwit::jobs

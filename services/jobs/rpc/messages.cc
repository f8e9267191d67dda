#include "services/jobs/rpc/messages.h"

#include "absl/strings/str_cat.h"
#include "godwit/common/v1/error.pb.h"
#include "services/jobs/app/facts.h"
#include "services/jobs/domain/errors.h"

namespace godwit::jobs {
namespace {

constexpr char kDetailUrl[] = "type.googleapis.com/godwit.common.v1.ErrorDetail";

void SetError(const absl::Status& error, const Run& run, common::v1::RpcStatus* out) {
  out->set_code(static_cast<int>(error.code()));
  out->set_message(std::string(error.message()));
  common::v1::ErrorDetail detail;
  const std::string reason = ReasonOf(error.message());
  detail.set_reason(!reason.empty()            ? reason
                    : absl::IsCancelled(error) ? "CANCELLED"
                                               : "STEP_FAILED");
  detail.set_domain("jobs");
  (*detail.mutable_metadata())["source_server"] = absl::StrCat("sourceServers/", run.input.server);
  google::protobuf::Any* any = out->add_details();
  any->set_type_url(kDetailUrl);
  detail.SerializeToString(any->mutable_value());
}

void SetStep(const StepRecord& step, v1::JobStep* out) {
  out->set_step(step.name);
  out->set_state(static_cast<v1::JobStep::State>(step.state));
  if (step.start_time) SetTime(*step.start_time, out->mutable_start_time());
  if (step.end_time) SetTime(*step.end_time, out->mutable_end_time());
  out->set_total_bytes(step.total_bytes);
  out->set_done_bytes(step.done_bytes);
  out->set_attempt_count(step.attempts);
  out->set_message(step.message);
}

void SetServer(const Run& run, v1::ParticipatingServer* out) {
  out->set_source_server(absl::StrCat("sourceServers/", run.input.server));
  LaunchStatus status = run.launch_status;
  // Under way as soon as a runner has it; afterwards the steps say more.
  if (IsLaunch(run.type) && status == LaunchStatus::kPending && run.state != RunState::kReady) {
    status = LaunchStatus::kInProgress;
  }
  out->set_launch_status(static_cast<v1::ParticipatingServer::LaunchStatus>(status));
  for (const StepRecord& step : run.steps) SetStep(step, out->add_steps());
  if (!run.machine_id.empty()) *out->mutable_machine() = ToMessage(GetMachine(run));
  if (!run.error.ok()) SetError(run.error, run, out->mutable_error());
  out->set_point(GetFact(run.outputs, kFactPoint));
  out->set_conversion_task(GetFact(run.outputs, kFactTask));
  if (const auto shot = GetTime(run.outputs, kFactScreenshotTime)) {
    SetTime(*shot, out->mutable_screenshot_time());
  }
  if (const auto proven = GetTime(run.outputs, kFactProvenTime)) {
    SetTime(*proven, out->mutable_proven_time());
    if (const auto quiesced = GetTime(run.outputs, kFactQuiesceTime)) {
      SetTime(*quiesced, out->mutable_quiesce_time());
    }
  }
}

}  // namespace

void SetTime(absl::Time time, google::protobuf::Timestamp* out) {
  const std::int64_t seconds = absl::ToUnixSeconds(time);
  out->set_seconds(seconds);
  out->set_nanos(
      static_cast<std::int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

absl::Time GetTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

void SetDuration(absl::Duration duration, google::protobuf::Duration* out) {
  const std::int64_t seconds = absl::ToInt64Seconds(duration);
  out->set_seconds(seconds);
  out->set_nanos(
      static_cast<std::int32_t>(absl::ToInt64Nanoseconds(duration - absl::Seconds(seconds))));
}

absl::Duration GetDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

v1::LaunchedMachine ToMessage(const MachineReport& machine) {
  v1::LaunchedMachine out;
  out.set_machine_id(machine.machine_id);
  out.set_target(machine.target);
  out.set_purpose(static_cast<v1::Job::Type>(machine.purpose));
  out.set_job(absl::StrCat("jobs/", machine.job_id));
  if (machine.launch_time != absl::InfinitePast()) {
    SetTime(machine.launch_time, out.mutable_launch_time());
  }
  out.set_first_boot(static_cast<v1::LaunchedMachine::FirstBoot>(machine.first_boot));
  for (const auto& [port, endpoint] : machine.endpoints) {
    (*out.mutable_endpoints())[port] = endpoint;
  }
  out.set_console_log(machine.console_log);
  for (const std::string& line : machine.proof) out.add_proof(line);
  out.set_accelerator(machine.accelerator);
  for (const ActionReport& action : machine.actions) {
    v1::ActionResult* result = out.add_actions();
    result->set_action_id(action.id);
    result->set_state(static_cast<v1::ActionResult::State>(action.state));
    result->set_blocks_cutover(action.blocks_cutover);
    result->set_transport(action.transport);
    result->set_exit_code(action.exit_code);
    result->set_message(action.message);
  }
  out.set_folder(machine.folder);
  for (const std::string& line : machine.network_attempts) out.add_network_attempts(line);
  return out;
}

v1::Job ToMessage(const Job& job) {
  v1::Job out;
  out.set_name(absl::StrCat("jobs/", job.id));
  out.set_type(static_cast<v1::Job::Type>(job.type));
  out.set_state(static_cast<v1::Job::State>(job.state));
  out.set_initiated_by(job.initiated_by);
  SetTime(job.create_time, out.mutable_create_time());
  if (job.start_time) SetTime(*job.start_time, out.mutable_start_time());
  if (job.end_time) SetTime(*job.end_time, out.mutable_end_time());
  for (const Run& run : job.runs) {
    SetServer(run, out.add_servers());
    if (job.state == JobState::kFailed && !out.has_error() && !run.error.ok() &&
        run.state == RunState::kFailed) {
      SetError(run.error, run, out.mutable_error());
    }
  }
  for (const std::string& warning : job.warnings) out.add_warnings(warning);
  out.set_etag(absl::StrCat(job.version));
  return out;
}

v1::JobLogItem ToMessage(const LogItem& item) {
  v1::JobLogItem out;
  out.set_sequence(item.sequence);
  SetTime(item.time, out.mutable_time());
  out.set_event(static_cast<v1::JobLogItem::Event>(item.event));
  if (!item.server.empty()) out.set_source_server(absl::StrCat("sourceServers/", item.server));
  out.set_message(item.message);
  for (const auto& [key, value] : item.data) (*out.mutable_data())[key] = value;
  return out;
}

}  // namespace godwit::jobs

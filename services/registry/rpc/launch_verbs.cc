#include "services/registry/rpc/launch_verbs.h"

#include <grpcpp/impl/codegen/server_context.h>

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "godwit/jobs/v1/job_service.pb.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/registry/domain/transition.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/failed_servers.h"
#include "services/registry/rpc/frame.h"
#include "services/registry/rpc/settings_rules.h"
#include "services/registry/rpc/verbs.h"
#include "services/registry/storage/outbox.h"
#include "services/registry/storage/server_store.h"

namespace godwit::registry {
namespace {

constexpr int kMaxServers = 200;
// Details travel in the trailer of an answer, which must stay below 8 KiB.
constexpr std::size_t kMostRefusalsTold = 16, kMostOfRefusalTold = 160;
// What the job service takes in one message, with room for its frame.
constexpr std::size_t kMaxRequestBytes = 4'000'000;

jobs_pb::Job::Type TypeOf(Event event) {
  switch (event) {
    case Event::kStartTest:
      return jobs_pb::Job::TEST_LAUNCH;
    case Event::kStartCutover:
      return jobs_pb::Job::CUTOVER_LAUNCH;
    default:
      return jobs_pb::Job::TERMINATE;
  }
}

// Ids of the servers, ascending: the order in which they are locked.
absl::StatusOr<std::vector<std::string>> ServerIds(const pb::StartLaunchRequest& request) {
  if (request.names_size() == 0) return rpc::FieldError("names", "is required (or failed_of)");
  if (request.names_size() > kMaxServers) {
    return rpc::FieldError(
        "names", absl::StrCat("has ", request.names_size(), " servers; at most ", kMaxServers));
  }
  std::set<std::string> ids;
  for (int i = 0; i < request.names_size(); ++i) {
    const std::string field = absl::StrCat("names[", i, "]");
    ASSIGN_OR_RETURN(const std::string id, ServerId(field, request.names(i)));
    if (!ids.insert(id).second) return rpc::FieldError(field, "appears twice");
  }
  return std::vector<std::string>(ids.begin(), ids.end());
}

absl::Status CheckPoint(Event event, const pb::StartLaunchRequest& request) {
  if (request.point().empty()) return absl::OkStatus();
  if (event == Event::kTerminateTargetInstances) {
    return rpc::FieldError("point", "has no meaning for this call");
  }
  if (request.names_size() != 1) {
    return rpc::FieldError("point", "can be chosen for one server at a time only");
  }
  const std::string prefix = absl::StrCat(request.names(0), "/points/");
  if (request.point().compare(0, prefix.size(), prefix) != 0 ||
      !CheckId("point", "p-", request.point().substr(prefix.size())).ok()) {
    return rpc::FieldError("point", absl::StrCat("must be ", prefix, "p-{17 hex digits}"));
  }
  return absl::OkStatus();
}

absl::Status JobUnderWay(const std::string& server_name, absl::string_view text) {
  return rpc::WithInfo(absl::FailedPreconditionError(text),
                       {.reason = "JOB_UNDER_WAY",
                        .domain = "registry",
                        .metadata = {{"server", server_name}, {"helpful_call", "CancelJob"}}});
}

// The first refusal, with a field violation for each server that stands in the way (as far as they
// fit into the details of an answer).
absl::Status OfAll(const std::vector<absl::Status>& refusals) {
  if (refusals.size() == 1) return refusals[0];
  rpc::ErrorInfo info = rpc::GetInfo(refusals[0]);
  for (const absl::Status& refusal : refusals) {
    if (info.field_violations.size() == kMostRefusalsTold) break;
    for (const auto& [key, value] : rpc::GetInfo(refusal).metadata) {
      if (key != "server") continue;
      info.field_violations.emplace_back(value, refusal.message().substr(0, kMostOfRefusalTold));
    }
  }
  return rpc::WithInfo(absl::FailedPreconditionError(absl::StrCat(
                           refusals[0].message(), " (and ", refusals.size() - 1, " more servers)")),
                       info);
}

// The refusal of the job service as one of the verb.
absl::Status AsVerbRefusal(const absl::Status& refusal) {
  if (!absl::IsAlreadyExists(refusal)) return refusal;
  rpc::ErrorInfo info = rpc::GetInfo(refusal);
  info.reason = "JOB_UNDER_WAY";
  info.metadata.emplace_back("helpful_call", "CancelJob");
  return rpc::WithInfo(absl::FailedPreconditionError(refusal.message()), info);
}

class Launch {
 public:
  Launch(Backend& backend, Event event, const pb::StartLaunchRequest& request)
      : backend_(backend), event_(event), request_(request) {}

  absl::Status Check() {
    RETURN_IF_ERROR(CheckRequestId(request_.request_id()));
    if (!request_.failed_of().empty()) {
      RETURN_IF_ERROR(NameFailedServers(backend_.sender, TypeOf(event_), &request_));
    }
    RETURN_IF_ERROR(ServerIds(request_));
    return CheckPoint(event_, request_);
  }

  absl::Status Apply(pg::Connection& connection, const rpc::Call& call, jobs_pb::Job* job) {
    const absl::Time now = backend_.clock.Now();
    const std::string job_id = NewId("job-");
    ASSIGN_OR_RETURN(const std::vector<std::string> ids, ServerIds(request_));
    create_.Clear();
    create_.set_request_id(request_.request_id());
    create_.set_type(TypeOf(event_));
    create_.set_initiated_by(call.peer.Principal());
    create_.set_job_id(job_id);
    SetUpJob(now, job);
    std::vector<SourceServer> befores;
    std::vector<absl::Status> refusals;
    for (const std::string& id : ids) {
      ASSIGN_OR_RETURN(const SourceServer before, storage::LockServer(connection, id));
      const absl::Status allowed = Allow(connection, call, before);
      if (absl::IsFailedPrecondition(allowed)) {
        refusals.push_back(allowed);
        continue;
      }
      RETURN_IF_ERROR(allowed);
      RETURN_IF_ERROR(AddServer(before, job));
      befores.push_back(before);
    }
    if (!refusals.empty()) return OfAll(refusals);
    if (create_.ByteSizeLong() > kMaxRequestBytes) {
      return rpc::FieldError("names",
                             "the launch settings of these servers are together larger than 4 MB; "
                             "launch fewer at once");
    }
    ASSIGN_OR_RETURN(const std::string body, ToJson(create_));
    RETURN_IF_ERROR(storage::Enqueue(connection, {.id = request_.request_id(),
                                                  .kind = storage::CommandKind::kCreateJob,
                                                  .servers = ids,
                                                  .body = body}));
    for (const SourceServer& before : befores) {
      SourceServer after = before;
      registry::Apply(ProfileOf(backend_, call), event_, now, job_id, after);
      ASSIGN_OR_RETURN(
          after, storage::SaveServer(connection, after,
                                     {.event = Name(event_), .principal = call.peer.Principal()}));
      RETURN_IF_ERROR(
          storage::RememberForUndo(connection, request_.request_id(), before, after.version));
    }
    return absl::OkStatus();
  }

  // The job as the job service has it, or as it was promised while that cannot be reached.
  absl::Status Deliver(bool replayed, jobs_pb::Job* job) {
    const OutboxSender::Delivery delivery = backend_.sender.DeliverNow(request_.request_id());
    if (delivery.result == OutboxSender::Delivery::Result::kRefused) {
      return AsVerbRefusal(delivery.refusal);
    }
    std::string bytes = delivery.answer;
    if (delivery.result == OutboxSender::Delivery::Result::kQueued && replayed) {
      const absl::StatusOr<std::string> found = backend_.sender.FetchJob(job->name());
      if (found.ok()) bytes = *found;
    }
    jobs_pb::Job fresh;
    if (!bytes.empty() && fresh.ParseFromString(bytes)) *job = fresh;
    return absl::OkStatus();
  }

 private:
  absl::Status Allow(pg::Connection& connection, const rpc::Call& call,
                     const SourceServer& server) const {
    RETURN_IF_ERROR(CheckEvent(ProfileOf(backend_, call), server, event_));
    ASSIGN_OR_RETURN(const bool waits, storage::LaunchWaits(connection, server.id));
    if (!waits) return absl::OkStatus();
    const std::string name = absl::StrCat("sourceServers/", server.id);
    return JobUnderWay(
        name, absl::StrCat(name, ": jobs/", server.launch_job, " waits for the job service"));
  }

  void SetUpJob(absl::Time now, jobs_pb::Job* job) const {
    job->set_name(absl::StrCat("jobs/", create_.job_id()));
    job->set_type(create_.type());
    job->set_state(jobs_pb::Job::PENDING);
    job->set_initiated_by(create_.initiated_by());
    SetTime(now, job->mutable_create_time());
  }

  absl::Status AddServer(const SourceServer& server, jobs_pb::Job* job) {
    jobs_pb::JobServer* entry = create_.add_servers();
    entry->set_source_server(absl::StrCat("sourceServers/", server.id));
    if (event_ != Event::kTerminateTargetInstances) {
      RETURN_IF_ERROR(FromJson(server.launch_settings, entry->mutable_launch_settings()));
      DropNotes(entry->mutable_launch_settings());
      entry->set_point(request_.point());
    }
    if (!server.machine.empty()) {
      RETURN_IF_ERROR(FromJson(server.machine, entry->add_machines()));
    }
    pb::SourceProperties properties;
    RETURN_IF_ERROR(FromJson(server.properties, &properties));
    entry->set_hostname(properties.hostname());
    jobs_pb::ParticipatingServer* participant = job->add_servers();
    participant->set_source_server(entry->source_server());
    participant->set_launch_status(jobs_pb::ParticipatingServer::PENDING);
    return absl::OkStatus();
  }

  Backend& backend_;
  const Event event_;
  pb::StartLaunchRequest request_;
  jobs_pb::CreateJobRequest create_;
};

}  // namespace

grpc::Status ServeLaunch(grpc::ServerContext* context, Backend& backend, Event event,
                         const pb::StartLaunchRequest& request, jobs_pb::Job* response) {
  const std::string method = absl::StrCat("SourceServerService.", Name(event));
  Launch launch(backend, event, request);
  return ServeChange(
      context, backend.mutator,
      {.method = method.c_str(),
       .access = rpc::kWriters,
       .resource = request.names_size() > 0       ? request.names(0)
                   : !request.failed_of().empty() ? request.failed_of()
                                                  : "sourceServers/-",
       .request_id = request.request_id(),
       .request = &request},
      response,
      {.check = [&] { return launch.Check(); },
       .apply = [&](pg::Connection& connection,
                    const rpc::Call& call) { return launch.Apply(connection, call, response); },
       .after = [&](const rpc::Call&,
                    bool replayed) { return launch.Deliver(replayed, response); }});
}

}  // namespace godwit::registry

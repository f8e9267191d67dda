#include "services/registry/clients/outbox_sender.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/base/clock.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/storage/mutation.h"

namespace godwit::registry {
namespace {

namespace replication_pb = ::godwit::replication::v1;

constexpr int kBatch = 32;
constexpr absl::Duration kHousekeeping = absl::Minutes(1);
constexpr absl::Duration kSlow = absl::Minutes(1);
// Longer than a call and the writing down of its outcome take together.
constexpr absl::Duration kLeaseMargin = absl::Seconds(15);

bool IsRefusalForGood(absl::StatusCode code) {
  return code == absl::StatusCode::kInvalidArgument || code == absl::StatusCode::kAlreadyExists ||
         code == absl::StatusCode::kFailedPrecondition || code == absl::StatusCode::kNotFound ||
         code == absl::StatusCode::kOutOfRange;
}

// Who asked for the launch that the command carries, for the audit log.
storage::Mutation RefusedLaunch(const storage::Command& command) {
  jobs_pb::CreateJobRequest request;
  storage::Mutation refused{.method = "SourceServerService.StartTest",
                            .resource = command.servers.empty()
                                            ? "sourceServers/-"
                                            : absl::StrCat("sourceServers/", command.servers[0]),
                            .principal = "service/registry",
                            .peer = "service/jobs",
                            .request_id = command.id};
  if (!FromJson(command.body, &request).ok()) return refused;
  if (!request.initiated_by().empty()) refused.principal = request.initiated_by();
  if (request.type() == jobs_pb::Job::CUTOVER_LAUNCH) {
    refused.method = "SourceServerService.StartCutover";
  } else if (request.type() == jobs_pb::Job::TERMINATE) {
    refused.method = "SourceServerService.TerminateTargetInstances";
  }
  return refused;
}

}  // namespace

OutboxSender::OutboxSender(pg::Pool& pool, std::shared_ptr<grpc::Channel> jobs,
                           std::shared_ptr<grpc::Channel> replication, Options options)
    : pool_(pool),
      jobs_(std::move(jobs)),
      replication_(std::move(replication)),
      options_(options) {}

OutboxSender::~OutboxSender() { Stop(); }

void OutboxSender::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void OutboxSender::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

bool OutboxSender::Stopping() {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

absl::StatusOr<std::string> OutboxSender::Call(const storage::Command& command) {
  grpc::ClientContext context;
  rpc::SetTimeout(context, options_.call_timeout);
  switch (command.kind) {
    case storage::CommandKind::kCreateJob: {
      jobs_pb::CreateJobRequest request;
      RETURN_IF_ERROR(FromJson(command.body, &request));
      jobs_pb::Job job;
      RETURN_IF_ERROR(
          rpc::FromGrpc(jobs_pb::JobService::NewStub(jobs_)->CreateJob(&context, request, &job)));
      return job.SerializeAsString();
    }
    case storage::CommandKind::kStartServer: {
      replication_pb::StartServerRequest request;
      RETURN_IF_ERROR(FromJson(command.body, &request));
      replication_pb::Replication replication;
      RETURN_IF_ERROR(rpc::FromGrpc(replication_pb::ReplicationService::NewStub(replication_)
                                        ->StartServer(&context, request, &replication)));
      return std::string();
    }
    case storage::CommandKind::kEndServer: {
      replication_pb::EndServerRequest request;
      RETURN_IF_ERROR(FromJson(command.body, &request));
      replication_pb::Replication replication;
      const absl::Status status =
          rpc::FromGrpc(replication_pb::ReplicationService::NewStub(replication_)
                            ->EndServer(&context, request, &replication));
      // Replication that never began has ended.
      if (!absl::IsNotFound(status)) RETURN_IF_ERROR(status);
      return std::string();
    }
  }
  return absl::InternalError("outbox: command of an unknown kind");
}

OutboxSender::Delivery OutboxSender::Refuse(const storage::Command& command,
                                            const absl::Status& status) {
  int undone = 0;
  const absl::Status undo = pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    ASSIGN_OR_RETURN(undone, storage::UndoLaunch(transaction.connection(), command.id));
    // The verb was written down as accepted; this is what became of it, in the code of the verb: a
    // server that is in another job already is in the wrong state for it.
    const absl::Status told =
        absl::IsAlreadyExists(status) ? absl::FailedPreconditionError(status.message()) : status;
    return storage::WriteAudit(transaction.connection(), RefusedLaunch(command), told);
  });
  if (!undo.ok()) {
    // The lease of the command ends; the background meets the same refusal and undoes then.
    Log(Severity::kWarning, "launch refused but not undone yet",
        {{"command", command.id}, {"error", undo.ToString()}});
    return {};
  }
  Log(Severity::kWarning, "launch refused by the job service",
      {{"command", command.id},
       {"servers_put_back", absl::StrCat(undone)},
       {"error", status.ToString()}});
  return {.result = Delivery::Result::kRefused, .refusal = status};
}

OutboxSender::Delivery OutboxSender::Deliver(const storage::Command& command, bool patient) {
  absl::StatusOr<std::string> answer = Call(command);
  if (!answer.ok() && command.kind == storage::CommandKind::kCreateJob &&
      (IsRefusalForGood(answer.status().code()) ||
       (!patient && absl::IsResourceExhausted(answer.status())))) {
    return Refuse(command, answer.status());
  }
  GODWIT_FAILPOINT("registry.outbox.before_done");
  const absl::Status written = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
    if (answer.ok()) return storage::MarkDone(*connection, command.id, "");
    absl::Duration backoff = options_.least_backoff;
    for (int i = 1; i < command.attempt_count && backoff < options_.most_backoff; ++i) {
      backoff *= 2;
    }
    return storage::MarkFailed(*connection, command.id, std::string(answer.status().message()),
                               std::min(backoff, options_.most_backoff));
  }();
  if (!written.ok()) {
    // Delivered again when the lease ends; the receiver knows the request id.
    Log(Severity::kWarning, "outcome of a command not written",
        {{"command", command.id}, {"error", written.ToString()}});
  }
  if (!answer.ok()) {
    Log(Severity::kWarning, "command not delivered; it is tried again",
        {{"command", command.id},
         {"attempt", absl::StrCat(command.attempt_count)},
         {"error", answer.status().ToString()}});
    return {};
  }
  return {.result = Delivery::Result::kDelivered, .answer = *std::move(answer)};
}

OutboxSender::Delivery OutboxSender::DeliverNow(const std::string& id) {
  const absl::StatusOr<std::optional<storage::Command>> command =
      [&]() -> absl::StatusOr<std::optional<storage::Command>> {
    ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
    return storage::Claim(*connection, id, options_.call_timeout + kLeaseMargin);
  }();
  if (!command.ok() || !command->has_value()) return {};
  return Deliver(**command, /*patient=*/false);
}

absl::StatusOr<std::string> OutboxSender::FetchJob(const std::string& name) {
  grpc::ClientContext context;
  rpc::SetTimeout(context, absl::Seconds(3));
  jobs_pb::GetJobRequest request;
  request.set_name(name);
  jobs_pb::Job job;
  RETURN_IF_ERROR(
      rpc::FromGrpc(jobs_pb::JobService::NewStub(jobs_)->GetJob(&context, request, &job)));
  return job.SerializeAsString();
}

int OutboxSender::DeliverDue() {
  int tried = 0;
  while (tried < kBatch && !Stopping()) {
    const absl::StatusOr<std::optional<storage::Command>> command =
        [&]() -> absl::StatusOr<std::optional<storage::Command>> {
      ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
      return storage::Claim(*connection, "", options_.call_timeout + kLeaseMargin);
    }();
    if (!command.ok()) {
      Log(Severity::kWarning, "outbox cannot be read", {{"error", command.status().ToString()}});
      break;
    }
    if (!command->has_value()) break;
    Deliver(**command, /*patient=*/true);
    ++tried;
  }
  return tried;
}

void OutboxSender::Loop() {
  absl::Time next_housekeeping = SteadyNow();
  while (!Stopping()) {
    if (SteadyNow() >= next_housekeeping) {
      next_housekeeping = SteadyNow() + kHousekeeping;
      const absl::Status cleaned = [&]() -> absl::Status {
        ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
        ASSIGN_OR_RETURN(const storage::OutboxLoad load, storage::Load(*connection));
        if (load.oldest > kSlow) {
          Log(Severity::kWarning, "commands wait for other services",
              {{"count", absl::StrCat(load.waiting)},
               {"oldest", absl::FormatDuration(load.oldest)}});
        }
        RETURN_IF_ERROR(storage::ForgetOldCommands(*connection));
        return storage::ForgetOldRequests(*connection).status();
      }();
      if (!cleaned.ok()) {
        Log(Severity::kWarning, "housekeeping failed", {{"error", cleaned.ToString()}});
      }
    }
    if (DeliverDue() > 0) continue;
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&stopping_), options_.idle_pause);
  }
}

}  // namespace godwit::registry

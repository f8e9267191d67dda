#include "services/conversion/service/rpc/handlers.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/clock.h"
#include "services/common/base/ids.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/conversion/service/rpc/messages.h"
#include "services/conversion/service/rpc/verdicts.h"

namespace godwit::conversion {
using google::protobuf::util::TimeUtil;

namespace {

constexpr int kDefaultPage = 50;
constexpr int kMaxPage = 500;
constexpr std::size_t kMaxMessage = 1000;
constexpr absl::Duration kLeasePoll = absl::Milliseconds(250);

google::protobuf::Duration ToProto(absl::Duration duration) {
  return TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(duration));
}

}  // namespace

grpc::Status ConversionHandler::CreateTask(grpc::ServerContext* context,
                                           const v1::CreateTaskRequest* request,
                                           v1::ConversionTask* response) {
  return rpc::Serve(context, "conversion.CreateTask", rpc::kAdminsAndServices,
                    [&](const rpc::Call& call) -> absl::Status {
                      ASSIGN_OR_RETURN(const NewTask task,
                                       ToNewTask(*request, call.peer.Principal(), profiles_));
                      ASSIGN_OR_RETURN(const Task made, store_.Create(task));
                      *response = ToMessage(made, /*whole=*/true);
                      return absl::OkStatus();
                    });
}

grpc::Status ConversionHandler::GetTask(grpc::ServerContext* context,
                                        const v1::GetTaskRequest* request,
                                        v1::ConversionTask* response) {
  return rpc::Serve(context, "conversion.GetTask", rpc::kReaders,
                    [&](const rpc::Call&) -> absl::Status {
                      ASSIGN_OR_RETURN(const std::string id, TaskId("name", request->name()));
                      ASSIGN_OR_RETURN(const Task task, store_.Get(id));
                      *response = ToMessage(task, /*whole=*/true);
                      SetVerdicts(profiles_, response);
                      return absl::OkStatus();
                    });
}

grpc::Status ConversionHandler::ListTasks(grpc::ServerContext* context,
                                          const v1::ListTasksRequest* request,
                                          v1::ListTasksResponse* response) {
  return rpc::Serve(
      context, "conversion.ListTasks", rpc::kReaders, [&](const rpc::Call&) -> absl::Status {
        if (request->page_size() < 0) return rpc::FieldError("page_size", "must not be negative");
        const int size =
            request->page_size() == 0 ? kDefaultPage : std::min(request->page_size(), kMaxPage);
        std::int64_t before = 0;
        if (!request->page_token().empty() &&
            (!absl::SimpleAtoi(request->page_token(), &before) || before <= 0)) {
          return rpc::FieldError("page_token", "is not from a previous answer");
        }
        if (before == 0) before = std::numeric_limits<std::int64_t>::max();
        ASSIGN_OR_RETURN(const std::vector<Task> tasks, store_.List(before, size + 1));
        for (int i = 0; i < std::min(size, static_cast<int>(tasks.size())); ++i) {
          *response->add_tasks() = ToMessage(tasks[static_cast<std::size_t>(i)], /*whole=*/false);
        }
        if (static_cast<int>(tasks.size()) > size) {
          response->set_next_page_token(
              absl::StrCat(tasks[static_cast<std::size_t>(size) - 1].sequence));
        }
        return absl::OkStatus();
      });
}

grpc::Status ConversionHandler::CancelTask(grpc::ServerContext* context,
                                           const v1::CancelTaskRequest* request,
                                           v1::ConversionTask* response) {
  return rpc::Serve(context, "conversion.CancelTask", rpc::kAdminsAndServices,
                    [&](const rpc::Call&) -> absl::Status {
                      ASSIGN_OR_RETURN(const std::string id, TaskId("name", request->name()));
                      ASSIGN_OR_RETURN(const Task task, store_.Cancel(id));
                      *response = ToMessage(task, /*whole=*/true);
                      return absl::OkStatus();
                    });
}

grpc::Status ConversionHandler::ListProfiles(grpc::ServerContext* context,
                                             const v1::ListProfilesRequest*,
                                             v1::ListProfilesResponse* response) {
  return rpc::Serve(context, "conversion.ListProfiles", rpc::kReaders,
                    [&](const rpc::Call&) -> absl::Status {
                      for (const Profile& profile : profiles_.all())
                        *response->add_profiles() = ToMessage(profile);
                      return absl::OkStatus();
                    });
}

grpc::Status ConversionWorkerHandler::LeaseTask(grpc::ServerContext* context,
                                                const v1::LeaseTaskRequest* request,
                                                v1::LeaseTaskResponse* response) {
  return rpc::Serve(context, "conversion.LeaseTask", rpc::kConversionWorkers,
                    [&](const rpc::Call& call) -> absl::Status {
                      std::vector<TaskMode> modes;
                      for (const int mode : request->modes()) {
                        if (mode < 1 || mode > 5)
                          return rpc::FieldError("modes", absl::StrCat("unknown mode ", mode));
                        modes.push_back(static_cast<TaskMode>(mode));
                      }
                      if (modes.empty()) return rpc::FieldError("modes", "at least one is needed");
                      const absl::Time end = std::min(SteadyNow() + options_.lease_wait,
                                                      call.deadline - absl::Seconds(1));
                      while (true) {
                        ASSIGN_OR_RETURN(const std::optional<Task> task,
                                         store_.Lease(call.peer.Principal(), modes, grace_.Over()));
                        if (task) {
                          *response->mutable_task() = ToMessage(*task, /*whole=*/false);
                          response->set_lease_generation(task->epoch);
                          *response->mutable_lease_duration() = ToProto(options_.lease_duration);
                          *response->mutable_timeout() = ToProto(task->timeout);
                          Log(Severity::kInfo, "task leased",
                              {{"task", task->id},
                               {"worker", task->worker},
                               {"attempt", absl::StrCat(task->attempt_count)}});
                          return absl::OkStatus();
                        }
                        if (SteadyNow() + kLeasePoll > end || context->IsCancelled() || stopping_)
                          return absl::OkStatus();
                        absl::SleepFor(kLeasePoll);
                      }
                    });
}

grpc::Status ConversionWorkerHandler::RenewTask(grpc::ServerContext* context,
                                                const v1::RenewTaskRequest* request,
                                                v1::RenewTaskResponse* response) {
  return rpc::Serve(context, "conversion.RenewTask", rpc::kConversionWorkers,
                    [&](const rpc::Call& call) -> absl::Status {
                      ASSIGN_OR_RETURN(const std::string id, TaskId("name", request->name()));
                      ASSIGN_OR_RETURN(
                          const bool cancel,
                          store_.Renew({id, request->lease_generation(), call.peer.Principal()},
                                       Printable(request->message(), kMaxMessage)));
                      response->set_cancel_requested(cancel);
                      return absl::OkStatus();
                    });
}

grpc::Status ConversionWorkerHandler::FinishTask(grpc::ServerContext* context,
                                                 const v1::FinishTaskRequest* request,
                                                 v1::FinishTaskResponse*) {
  return rpc::Serve(
      context, "conversion.FinishTask", rpc::kConversionWorkers,
      [&](const rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const std::string id, TaskId("name", request->name()));
        const LeaseKey lease{id, request->lease_generation(), call.peer.Principal()};
        absl::Status error;
        if (request->result().has_error()) {
          const int code = request->result().error().code();
          if (code < 1 || code > 16)
            return rpc::FieldError("result.error.code", "a canonical code from 1 to 16");
          error = absl::Status(static_cast<absl::StatusCode>(code),
                               Printable(request->result().error().message(), kMaxMessage));
        }
        if (request->give_back()) {
          if (error.ok()) return rpc::FieldError("result.error", "is required with give_back");
          return store_.GiveBack(lease, error);
        }
        ASSIGN_OR_RETURN(const std::string result, ToResult(request->result()));
        return store_.Finish(lease, error, result);
      });
}

}  // namespace godwit::conversion

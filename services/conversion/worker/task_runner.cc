#include "services/conversion/worker/task_runner.h"

#include <google/protobuf/util/time_util.h>
#include <grpcpp/grpcpp.h>

#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "services/common/base/clock.h"
#include "services/common/base/json_log.h"
#include "services/common/base/notify.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"

namespace godwit::conversion {
namespace fs = std::filesystem;
using google::protobuf::util::TimeUtil;

namespace {

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Nanoseconds(TimeUtil::DurationToNanoseconds(duration));
}

}  // namespace

TaskRunner::TaskRunner(std::shared_ptr<grpc::Channel> service, const Appliance& appliance,
                       std::string work_folder)
    : stub_(v1::ConversionWorkerService::NewStub(service)),
      appliance_(appliance),
      work_folder_(std::move(work_folder)) {}

void TaskRunner::Stop() {
  stopping_ = true;
  cancel_ = true;
  absl::MutexLock lock(&mutex_);
  if (asking_ != nullptr) asking_->TryCancel();
}

TaskRunner::Figures TaskRunner::figures() const {
  absl::MutexLock lock(&mutex_);
  return figures_;
}

bool TaskRunner::Sleep(absl::Duration duration) {
  for (const absl::Time end = SteadyNow() + duration; SteadyNow() < end && !stopping_;)
    absl::SleepFor(absl::Milliseconds(50));
  return stopping_;
}

void TaskRunner::Run() {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(work_folder_, error)) {
    if (entry.path().filename().string().rfind("appliance-", 0) == 0)
      fs::remove_all(entry.path(), error);
  }
  absl::Duration backoff = absl::Milliseconds(200);
  while (!stopping_) {
    NotifyManager("WATCHDOG=1");
    v1::LeaseTaskRequest request;
    request.add_modes(v1::ConversionTask::PREFLIGHT);
    request.add_modes(v1::ConversionTask::APPEND);
    request.add_modes(v1::ConversionTask::DIFF);
    request.add_modes(v1::ConversionTask::UNDO);
    request.add_modes(v1::ConversionTask::REGENERATE);
    v1::LeaseTaskResponse lease;
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(10));
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) return;
      asking_ = &context;
    }
    const absl::Status status = rpc::FromGrpc(stub_->LeaseTask(&context, request, &lease));
    {
      absl::MutexLock lock(&mutex_);
      asking_ = nullptr;
      figures_.connected = status.ok();
      figures_.busy = status.ok() && lease.has_task();
    }
    if (!status.ok()) {
      if (stopping_) return;
      Log(Severity::kWarning, "no task", {{"error", status.ToString()}});
      if (Sleep(backoff)) return;
      backoff = std::min(backoff * 2, absl::Seconds(10));
      continue;
    }
    backoff = absl::Milliseconds(200);
    if (lease.has_task()) RunTask(lease);
  }
}

void TaskRunner::Renew(const v1::LeaseTaskResponse& lease, const std::atomic<bool>& done,
                       std::atomic<bool>* cancel, std::atomic<bool>* lost) {
  const absl::Duration duration = std::max(ToDuration(lease.lease_duration()), absl::Seconds(3));
  absl::Duration renewed = RealClock().Monotonic();
  absl::Duration next = renewed;
  while (!done) {
    absl::SleepFor(absl::Milliseconds(50));
    const absl::Duration now = RealClock().Monotonic();
    // Another worker may have it from then on.
    if (now - renewed > duration * 2 / 3 && !*lost) {
      *lost = true;
      *cancel = true;
    }
    if (now < next) continue;
    next = now + duration / 6;
    NotifyManager("WATCHDOG=1");  // an appliance has a time limit of its own
    v1::RenewTaskRequest request;
    request.set_name(lease.task().name());
    request.set_lease_generation(lease.lease_generation());
    {
      absl::MutexLock lock(&mutex_);
      request.set_message(message_);
    }
    v1::RenewTaskResponse response;
    grpc::ClientContext context;
    rpc::SetTimeout(context, duration / 6);
    const absl::Status status = rpc::FromGrpc(stub_->RenewTask(&context, request, &response));
    if (status.ok()) {
      renewed = now;
      if (response.cancel_requested()) *cancel = true;
    } else if (absl::IsAborted(status) || absl::IsNotFound(status)) {
      *lost = true;
      *cancel = true;
    }
  }
}

void TaskRunner::RunTask(const v1::LeaseTaskResponse& lease) {
  const absl::Time from = SteadyNow();
  Log(Severity::kInfo, "converting",
      {{"task", lease.task().name()}, {"generation", absl::StrCat(lease.lease_generation())}});
  std::atomic<bool> done{false}, lost{false};
  cancel_ = false;
  if (stopping_) cancel_ = true;  // Stop() sets both, in the other order
  std::thread renewal([&] { Renew(lease, done, &cancel_, &lost); });
  ApplianceResult result = appliance_.Run(lease.task(), work_folder_, ToDuration(lease.timeout()),
                                          cancel_, [this](const std::string& message) {
                                            absl::MutexLock lock(&mutex_);
                                            message_ = message;
                                          });
  done = true;
  renewal.join();
  {
    absl::MutexLock lock(&mutex_);
    figures_.busy = false;
    ++(result.status.ok() ? figures_.succeeded : figures_.failed);
    figures_.spent += SteadyNow() - from;
  }
  Log(result.status.ok() ? Severity::kInfo : Severity::kWarning, "conversion ended",
      {{"task", lease.task().name()},
       {"took", absl::FormatDuration(SteadyNow() - from)},
       {"changes", absl::StrCat(result.task.changes_size())},
       {"error", result.status.ok() ? "" : result.status.ToString()}});
  if (lost) return;
  v1::FinishTaskRequest request;
  request.set_name(lease.task().name());
  request.set_lease_generation(lease.lease_generation());
  *request.mutable_result() = std::move(result.task);
  if (!result.status.ok()) {
    request.mutable_result()->mutable_error()->set_code(static_cast<int>(result.status.code()));
    request.mutable_result()->mutable_error()->set_message(std::string(result.status.message()));
    // The disks are not to blame when this process ends or the appliance itself fails.
    request.set_give_back(stopping_ || absl::IsInternal(result.status));
  }
  const absl::Status told = rpc::Retry(absl::Seconds(30), [&] {
    v1::FinishTaskResponse response;
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(10));
    return rpc::FromGrpc(stub_->FinishTask(&context, request, &response));
  });
  if (!told.ok())
    Log(Severity::kWarning, "result not reported",
        {{"task", lease.task().name()}, {"error", told.ToString()}});
}

}  // namespace godwit::conversion

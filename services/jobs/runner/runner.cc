#include "services/jobs/runner/runner.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"
#include "services/common/base/json_log.h"
#include "services/jobs/domain/errors.h"

namespace godwit::jobs {
namespace {

std::vector<JobType> Types(const Plans& plans) {
  std::vector<JobType> out;
  for (const auto& [type, plan] : plans) out.push_back(type);
  return out;
}

}  // namespace

RunnerPool::RunnerPool(JobStore& store, Clock& clock, const Plans& plans, RunnerOptions options)
    : store_(store),
      clock_(clock),
      plans_(plans),
      options_(std::move(options)),
      heartbeat_(store, clock, options_.lease),
      executor_(store, clock, plans, stopping_) {
  for (int i = 0; i < options_.count; ++i) threads_.emplace_back([this] { Loop(); });
}

RunnerPool::~RunnerPool() { Stop(); }

void RunnerPool::Wake() {
  heartbeat_.Nudge();
  const absl::MutexLock guard(&mutex_);
  ++wakes_;
}

void RunnerPool::Stop() {
  stopping_ = true;
  Wake();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
  heartbeat_.Stop();
}

void RunnerPool::Loop() {
  while (!stopping_) {
    std::uint64_t seen;
    {
      const absl::MutexLock guard(&mutex_);
      seen = wakes_;
    }
    if (WorkOnce()) continue;
    const absl::MutexLock guard(&mutex_);
    const auto woken = [&] { return wakes_ != seen; };
    mutex_.AwaitWithTimeout(absl::Condition(&woken), options_.poll);
  }
}

bool RunnerPool::WorkOnce() {
  const absl::Duration sent_at = clock_.Monotonic();
  auto runs = store_.Claim({.types = Types(plans_),
                            .owner = options_.owner,
                            .ttl = options_.lease,
                            .limit = 1,
                            .most_of_job = options_.most_of_job});
  if (!runs.ok()) {
    Log(Severity::kWarning, "claim failed", {{"error", std::string(runs.status().message())}});
    return false;
  }
  if (runs->empty()) return false;
  Run run = std::move(runs->front());
  const std::string name = absl::StrCat(run.job_id, "/", run.input.server);
  const auto lease = std::make_shared<HeldLease>(Lease{.run_id = run.id, .epoch = run.epoch},
                                                 options_.lease, sent_at, clock_);
  heartbeat_.Add(lease);
  const absl::Status status = executor_.Execute(std::move(run), *lease);
  heartbeat_.Remove(lease);
  if (!status.ok()) {
    Log(Severity::kWarning, "run left before its end",
        {{"run", name}, {"error", std::string(status.message())}});
  }
  return true;
}

std::string ProcessOwner() {
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  const auto boot = ReadFile("/proc/sys/kernel/random/boot_id", 64);
  return absl::StrCat(host, "/", boot.ok() ? boot->substr(0, 8) : "", "/", getpid(), "/",
                      NewUuid().substr(0, 8));
}

}  // namespace godwit::jobs

// Jobs in PostgreSQL, schema "jobs". Locks are taken in one order: the run, then its job; claims
// (claims.h) take them the other way round and wait for no run.
#pragma once

#include <string>
#include <vector>

#include "services/common/pg/pool.h"
#include "services/jobs/app/job_store.h"

namespace godwit::jobs {

// Channel that is notified when a job was created or is to be cancelled; only a wake-up.
inline constexpr char kNotifyChannel[] = "godwit_jobs";

class PgJobStore final : public JobStore {
 public:
  explicit PgJobStore(const std::string& conninfo, int max_connections = 8);
  // For its load.
  const pg::Pool& pool() const { return pool_; }
  // Ids of the servers of a job; none when there is no such job.
  absl::StatusOr<std::vector<std::string>> ServersOf(const std::string& job_id);

  absl::StatusOr<Job> Create(const NewJob& job, const JobQuotas& quotas) override;
  absl::StatusOr<JobUse> CountQuotaUse() override;
  absl::StatusOr<Job> Get(const std::string& job_id) override;
  absl::StatusOr<JobPage> List(const JobFilter& filter) override;
  absl::StatusOr<Job> Cancel(const std::string& job_id) override;
  absl::Status Delete(const std::string& job_id) override;
  absl::StatusOr<std::vector<LogItem>> ListLog(const std::string& job_id, std::int64_t after,
                                               int limit) override;
  absl::StatusOr<std::int64_t> Version(const std::string& job_id) override;
  absl::StatusOr<ScreenshotRecord> GetScreenshot(const std::string& job_id,
                                                 const std::string& server) override;
  absl::StatusOr<Run> FindMachine(const std::string& machine_id) override;
  absl::StatusOr<std::vector<Run>> MachinesOf(const std::string& server) override;

  absl::StatusOr<std::vector<Run>> Claim(const ClaimOrder& order) override;
  absl::StatusOr<Renewal> Renew(const Lease& lease, absl::Duration ttl) override;
  absl::StatusOr<int> BeginStep(const Lease& lease, int step, bool commit_point,
                                const std::vector<LogLine>& log) override;
  absl::Status SaveProgress(const Lease& lease, int step, const Outputs& outputs,
                            const std::string& message, std::int64_t done_bytes,
                            std::int64_t total_bytes) override;
  absl::Status AddLog(const Lease& lease, const std::vector<LogLine>& log) override;
  absl::Status SaveScreenshot(const Lease& lease, const std::string& png) override;
  absl::Status FinishStep(const Lease& lease, int step, const StepResult& result) override;
  absl::Status Wait(const Lease& lease, int step, absl::Duration delay,
                    const std::string& message) override;
  absl::Status Retry(const Lease& lease, int step, absl::Duration delay,
                     const std::string& message) override;
  absl::Status BeginUndo(const Lease& lease, int step, const absl::Status& error,
                         const std::vector<LogLine>& log) override;
  absl::Status FinishUndo(const Lease& lease, int step, const StepResult& result) override;
  absl::Status End(const Lease& lease, RunState state, bool needs_operator,
                   const std::vector<std::string>& warnings) override;
  absl::Status Release(const Lease& lease) override;

 private:
  absl::StatusOr<std::vector<Run>> RunsWith(const pg::Statement& statement,
                                            const std::vector<pg::Param>& params);

  pg::Pool pool_;
  pg::Pool renewals_;  // one connection that nothing else can keep busy
};

}  // namespace godwit::jobs

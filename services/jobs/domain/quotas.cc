#include "services/jobs/domain/quotas.h"

#include "services/common/base/status_macros.h"

namespace godwit::jobs {
namespace {

constexpr char kWait[] = "wait until some have ended, or cancel one";

Quota ServersOfJob(const JobQuotas& quotas) {
  return {.code = "SERVERS_IN_ONE_JOB",
          .title = "servers in one job",
          .limit = quotas.servers_of_job,
          .used = std::nullopt,
          .option = "quota-servers-of-job",
          .advice = "start several jobs, one after the other"};
}
Quota ConcurrentJobs(const JobQuotas& quotas, const JobUse& used) {
  return {.code = "CONCURRENT_JOBS",
          .title = "jobs at once",
          .limit = quotas.concurrent_jobs,
          .used = used.jobs,
          .option = "quota-concurrent-jobs",
          .advice = kWait};
}
Quota ServersInJobs(const JobQuotas& quotas, const JobUse& used) {
  return {.code = "SERVERS_IN_ALL_JOBS",
          .title = "servers in jobs at once",
          .limit = quotas.servers_in_jobs,
          .used = used.servers,
          .option = "quota-servers-in-jobs",
          .advice = kWait};
}
Quota OtherJobs(const JobQuotas& quotas, const JobUse& used) {
  return {.code = "CONCURRENT_OTHER_JOBS",
          .title = "preflights, clean-ups and other such jobs at once",
          .limit = quotas.other_jobs,
          .used = used.other_jobs,
          .option = "",
          .advice = kWait};
}

}  // namespace

std::vector<Quota> QuotasOfJobs(const JobQuotas& quotas, const JobUse& used) {
  return {ConcurrentJobs(quotas, used),
          ServersInJobs(quotas, used),
          ServersOfJob(quotas),
          {.code = "JOBS_OF_ONE_SERVER",
           .title = "launches or terminations of one server at once",
           .limit = 1,
           .used = std::nullopt,
           .option = "",
           .advice = "wait for the job under way, or cancel it"},
          OtherJobs(quotas, used)};
}

absl::Status CheckJobQuotas(const JobQuotas& quotas, const JobUse& used, JobType type,
                            std::int64_t servers) {
  if (!IsCounted(type)) return CheckQuota(OtherJobs(quotas, used), 1);
  RETURN_IF_ERROR(CheckQuota(ServersOfJob(quotas), servers));
  RETURN_IF_ERROR(CheckQuota(ConcurrentJobs(quotas, used), 1));
  return CheckQuota(ServersInJobs(quotas, used), servers);
}

}  // namespace godwit::jobs

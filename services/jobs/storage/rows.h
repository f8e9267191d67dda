// SQL shared by the parts of PgJobStore, and rows taken apart.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/pg/connection.h"
#include "services/jobs/app/job_store.h"

// Columns of RunFromRow, of table jobs.run named r.
#define GODWIT_RUN_COLUMNS                                                                 \
  "r.id, r.job_id, r.type, r.index, r.input, r.state, r.step, r.plan_version, r.outputs, " \
  "r.error_code, r.error_message, r.launch_status, r.cancel_requested, r.committed, "      \
  "r.needs_operator, r.machine_id, r.epoch, r.crashes, r.tries, coalesce(r.owner, '')"
// Columns of JobFromRow, of table jobs.job named j.
#define GODWIT_JOB_COLUMNS                              \
  "j.job_id, j.key, j.type, j.state, j.initiated_by, "  \
  "(extract(epoch FROM j.create_time) * 1e6)::bigint, " \
  "(extract(epoch FROM j.start_time) * 1e6)::bigint, "  \
  "(extract(epoch FROM j.end_time) * 1e6)::bigint, j.warnings, j.version"

namespace godwit::jobs {

// Without steps.
absl::StatusOr<Run> RunFromRow(const pg::Result& rows, int row);
// Without runs; `key` is the key for paging.
absl::StatusOr<Job> JobFromRow(const pg::Result& rows, int row, std::int64_t* key);
// Puts the steps of all `runs` in.
absl::Status LoadSteps(pg::Connection& connection, std::vector<Run>* runs);
// Puts the runs, with their steps, of all `jobs` in.
absl::Status LoadRuns(pg::Connection& connection, std::vector<Job>* jobs);
// The whole job. NOT_FOUND.
absl::StatusOr<Job> LoadJob(pg::Connection& connection, const std::string& job_id);

// Appends to the job's log and raises its version.
absl::Status AppendLog(pg::Transaction& transaction, const std::string& job_id,
                       const std::string& server, const std::vector<LogLine>& log);
// Raises the job's version: watchers look again.
absl::Status Touch(pg::Transaction& transaction, const std::string& job_id);
// Recomputes the state of the job from its runs; writes JOB_END when it ended just now.
absl::Status Settle(pg::Transaction& transaction, const std::string& job_id);
// "{1,2,3}", the text form of an array of numbers.
template <typename Numbers>
std::string ArrayParam(const Numbers& numbers) {
  std::string out = "{";
  for (const auto number : numbers) {
    absl::StrAppend(&out, out.size() > 1 ? "," : "", static_cast<std::int64_t>(number));
  }
  return out + "}";
}
// "{a,b}", the text form of an array of ids (which have no character of its own), or NULL.
inline pg::Param IdsOrNull(const std::optional<std::vector<std::string>>& ids) {
  return ids ? pg::Param(absl::StrCat("{", absl::StrJoin(*ids, ","), "}")) : pg::Param();
}
inline std::string Number(std::int64_t value) { return absl::StrCat(value); }
template <typename Enum>
std::string EnumParam(Enum value) {
  return absl::StrCat(static_cast<int>(value));
}

}  // namespace godwit::jobs

// Tasks in PostgreSQL, schema conversion.
#pragma once

#include "services/common/pg/pool.h"
#include "services/conversion/service/app/task_store.h"

namespace godwit::conversion {

class PgTaskStore final : public TaskStore {
 public:
  struct Options {
    absl::Duration lease_duration = absl::Seconds(30);
    int max_attempts = 3;
    int max_unfinished = 10000;
    // How long after its timeout an attempt still has its lease, so that its worker can report.
    absl::Duration report_grace = absl::Minutes(1);
    // How long a task may wait for a worker.
    absl::Duration queue_timeout = absl::Hours(24);
  };
  // `pool` must outlive the store.
  PgTaskStore(pg::Pool& pool, Options options) : pool_(pool), options_(options) {}

  absl::StatusOr<Task> Create(const NewTask& task) override;
  absl::StatusOr<Task> Get(const std::string& id) override;
  absl::StatusOr<std::vector<Task>> List(std::int64_t before, int limit) override;
  absl::StatusOr<Task> Cancel(const std::string& id) override;
  absl::StatusOr<std::optional<Task>> Lease(const std::string& worker,
                                            const std::vector<TaskMode>& modes,
                                            bool take_expired) override;
  absl::StatusOr<bool> Renew(const LeaseKey& lease, const std::string& message) override;
  absl::Status Finish(const LeaseKey& lease, const absl::Status& error,
                      const std::string& result) override;
  absl::Status GiveBack(const LeaseKey& lease, const absl::Status& error) override;
  absl::StatusOr<std::int64_t> EndAbandoned(bool take_expired) override;
  absl::StatusOr<std::int64_t> RemoveEnded(absl::Duration age) override;

 private:
  // What became of a lease whose guarded write hit no row: OK when this very generation let go of
  // the task before, else ABORTED or NOT_FOUND.
  absl::Status Missed(const LeaseKey& lease);

  pg::Pool& pool_;
  const Options options_;
};

}  // namespace godwit::conversion

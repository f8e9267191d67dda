// Where conversion tasks live. Every write of a worker is guarded by its lease generation; the
// store's own clock alone decides when a lease is over. Implementations are thread-safe.
//
// All methods may also return UNAVAILABLE (try again) and INTERNAL.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/conversion/service/domain/task.h"

namespace godwit::conversion {

class TaskStore {
 public:
  virtual ~TaskStore() = default;

  // The task of this request id: a new one, or the one made before. INVALID_ARGUMENT when that was
  // made by another request; RESOURCE_EXHAUSTED when too many tasks are unfinished.
  virtual absl::StatusOr<Task> Create(const NewTask& task) = 0;
  virtual absl::StatusOr<Task> Get(const std::string& id) = 0;  // or NOT_FOUND
  // At most `limit`, newest first, made before the one with sequence `before`.
  virtual absl::StatusOr<std::vector<Task>> List(std::int64_t before, int limit) = 0;
  // Ends a pending task; a running one is asked to stop. Nothing happens to ended ones. NOT_FOUND.
  virtual absl::StatusOr<Task> Cancel(const std::string& id) = 0;

  // Leases the task that is due longest to `worker`, or nothing. Counts an attempt. Tasks of other
  // workers whose lease is over are taken only when `take_expired`.
  virtual absl::StatusOr<std::optional<Task>> Lease(const std::string& worker,
                                                    const std::vector<TaskMode>& modes,
                                                    bool take_expired) = 0;
  // Prolongs the lease; whether the task shall stop. ABORTED: the lease is lost, or its attempt ran
  // over its time. NOT_FOUND.
  virtual absl::StatusOr<bool> Renew(const LeaseKey& lease, const std::string& message) = 0;
  // Ends the task: succeeded when `error` is OK, else failed; cancelled when that was asked for.
  // ABORTED: the lease is lost. The same again is harmless. NOT_FOUND.
  virtual absl::Status Finish(const LeaseKey& lease, const absl::Status& error,
                              const std::string& result) = 0;
  // Puts the task back into the queue; the one out of attempts fails with `error`. As Finish.
  virtual absl::Status GiveBack(const LeaseKey& lease, const absl::Status& error) = 0;

  // Ends tasks that nobody will end: those whose last lease is over (only when `take_expired`) and
  // are out of attempts or to be cancelled, and those that nobody took for a day. How many.
  virtual absl::StatusOr<std::int64_t> EndAbandoned(bool take_expired) = 0;
  // Removes tasks that ended longer ago than `age`; at most 1000 at once. How many.
  virtual absl::StatusOr<std::int64_t> RemoveEnded(absl::Duration age) = 0;
};

}  // namespace godwit::conversion

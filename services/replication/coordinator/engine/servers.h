// What operators and the registry do with the replication of a server.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "services/common/pg/pool.h"
#include "services/replication/coordinator/domain/types.h"

namespace godwit::coordinator {

struct EndOptions {
  bool stop_only = false;
  bool keep_agent = false;
  absl::Duration undo_window;
};

// Thread-safe. A verb with the id of a former one does nothing and gives the present state;
// INVALID_ARGUMENT when it was another call. FAILED_PRECONDITION names the state.
class Servers {
 public:
  // `pool` must outlive it.
  explicit Servers(pg::Pool& pool) : pool_(pool) {}

  // UNAVAILABLE: the staging of its former stay is being removed.
  absl::StatusOr<Server> Start(const std::string& id, const std::string& request_id);
  absl::StatusOr<Server> End(const std::string& id, const std::string& request_id,
                             const EndOptions& options);
  absl::StatusOr<Server> Pause(const std::string& id, const std::string& request_id);
  absl::StatusOr<Server> Resume(const std::string& id, const std::string& request_id);
  absl::StatusOr<Server> Retry(const std::string& id, const std::string& request_id);
  absl::StatusOr<Worker> SetDraining(const std::string& worker_id, const std::string& request_id,
                                     bool draining);

 private:
  absl::StatusOr<Server> Verb(
      const std::string& id, const std::string& request_id, const std::string& body,
      const std::function<absl::Status(pg::Connection&, const Server&)>& change);

  pg::Pool& pool_;
};

}  // namespace godwit::coordinator

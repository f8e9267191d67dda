// Which worker gets which server. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "services/replication/coordinator/domain/types.h"

namespace godwit::coordinator {

struct AssignmentRules {
  // A store with less free space gets no new servers.
  std::int64_t least_free_bytes = 256 << 20;
  // A server whose store has no living worker is replicated anew elsewhere only after this time.
  absl::Duration move_after = absl::Minutes(30);
};

// A server that waits for a worker.
struct Waiting {
  std::string server_id;
  std::string store_id;  // where its replica is; empty for none
  std::map<std::string, std::string> labels;
  absl::Duration waited;
};

struct Placement {
  std::string server_id, worker_id, store_id;
};

// Workers must be alive; those that drain, leave, are full or whose labels do not match get
// nothing. The least loaded (by share of its capacity) wins, then the one with the most free space.
// A server goes to a worker of its own store; to another store only when its store is being drained
// or had no living worker for `move_after`.
std::vector<Placement> Assign(std::vector<Worker> workers, const std::vector<Waiting>& waiting,
                              const AssignmentRules& rules = {});

// True when `worker` may take a server that asks for `labels`.
bool MayTake(const Worker& worker, const std::map<std::string, std::string>& labels,
             const AssignmentRules& rules);

}  // namespace godwit::coordinator

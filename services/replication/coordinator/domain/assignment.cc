#include "services/replication/coordinator/domain/assignment.h"

#include <algorithm>

namespace godwit::coordinator {
namespace {

// Less is better.
bool IsBetter(const Worker& left, const Worker& right) {
  const auto load = [](const Worker& worker) {
    return static_cast<double>(worker.server_count) / worker.max_server_count;
  };
  if (load(left) != load(right)) return load(left) < load(right);
  if (left.store_free_bytes != right.store_free_bytes) {
    return left.store_free_bytes > right.store_free_bytes;
  }
  return left.id < right.id;
}

}  // namespace

bool MayTake(const Worker& worker, const std::map<std::string, std::string>& labels,
             const AssignmentRules& rules) {
  if (worker.dead || worker.draining || worker.leaving) return false;
  if (worker.server_count >= worker.max_server_count) return false;
  if (worker.store_free_bytes < rules.least_free_bytes) return false;
  return std::all_of(labels.begin(), labels.end(), [&](const auto& label) {
    const auto found = worker.labels.find(label.first);
    return found != worker.labels.end() && found->second == label.second;
  });
}

std::vector<Placement> Assign(std::vector<Worker> workers, const std::vector<Waiting>& waiting,
                              const AssignmentRules& rules) {
  std::vector<Placement> out;
  for (const Waiting& server : waiting) {
    bool own_store_lives = false, own_store_drains = false;
    for (const Worker& worker : workers) {
      if (worker.dead || server.store_id.empty() || worker.store_id != server.store_id) continue;
      (worker.draining ? own_store_drains : own_store_lives) = true;
    }
    // A worker that merely shuts down comes back.
    const bool may_move =
        server.store_id.empty() ||
        (!own_store_lives && (own_store_drains || server.waited > rules.move_after));
    const auto pick = [&](bool own_store) -> Worker* {
      Worker* best = nullptr;
      for (Worker& worker : workers) {
        if (own_store != (worker.store_id == server.store_id)) continue;
        if (!MayTake(worker, server.labels, rules)) continue;
        if (best == nullptr || IsBetter(worker, *best)) best = &worker;
      }
      return best;
    };
    Worker* chosen = server.store_id.empty() ? nullptr : pick(/*own_store=*/true);
    if (chosen == nullptr && may_move) chosen = pick(/*own_store=*/false);
    if (chosen == nullptr) continue;
    ++chosen->server_count;
    out.push_back({server.server_id, chosen->id, chosen->store_id});
  }
  return out;
}

}  // namespace godwit::coordinator

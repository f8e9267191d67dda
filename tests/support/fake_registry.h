// A registry for tests of the coordinator: knows what it is told, remembers what it was told.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/replication/coordinator/engine/ports.h"

namespace godwit::testing {

// Thread-safe.
class FakeRegistry final : public coordinator::Registry {
 public:
  std::vector<absl::StatusOr<coordinator::ServerFacts>> Describe(
      const std::vector<std::string>& server_ids) override {
    absl::MutexLock lock(&mutex_);
    std::vector<absl::StatusOr<coordinator::ServerFacts>> out;
    for (const std::string& id : server_ids) {
      const auto found = facts_.find(id);
      if (!reachable_) {
        out.push_back(absl::UnavailableError("registry: away"));
      } else if (found == facts_.end()) {
        out.push_back(absl::NotFoundError(id));
      } else {
        out.push_back(found->second);
      }
    }
    return out;
  }
  absl::Status ReportInitialSyncDone(const std::string& server_id, const std::string& point_id,
                                     const std::string& request_id) override {
    absl::MutexLock lock(&mutex_);
    if (!reachable_) return absl::UnavailableError("registry: away");
    reports_.push_back(server_id + " " + point_id);
    request_ids_.push_back(request_id);
    return absl::OkStatus();
  }

  void Set(const std::string& server_id, const coordinator::ServerFacts& facts) {
    absl::MutexLock lock(&mutex_);
    facts_[server_id] = facts;
  }
  void SetReachable(bool reachable) {
    absl::MutexLock lock(&mutex_);
    reachable_ = reachable;
  }
  std::vector<std::string> reports() {
    absl::MutexLock lock(&mutex_);
    return reports_;
  }

 private:
  absl::Mutex mutex_;
  bool reachable_ ABSL_GUARDED_BY(mutex_) = true;
  std::map<std::string, coordinator::ServerFacts> facts_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> reports_ ABSL_GUARDED_BY(mutex_), request_ids_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace godwit::testing

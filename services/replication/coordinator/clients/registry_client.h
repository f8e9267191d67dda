// The registry over gRPC, with what it said of each server kept for a few seconds.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/clock.h"
#include "services/replication/coordinator/engine/ports.h"

namespace grpc {
class Channel;
}

namespace godwit::coordinator {

// Thread-safe. `clock` must outlive it.
class RegistryClient final : public Registry {
 public:
  RegistryClient(std::shared_ptr<grpc::Channel> registry, Clock& clock)
      : channel_(std::move(registry)), clock_(clock) {}
  std::vector<absl::StatusOr<ServerFacts>> Describe(
      const std::vector<std::string>& server_ids) override;
  absl::Status ReportInitialSyncDone(const std::string& server_id, const std::string& point_id,
                                     const std::string& request_id) override;

 private:
  using Facts = absl::StatusOr<ServerFacts>;
  // Of at most 500 servers, as the registry allows.
  std::vector<Facts> Ask(const std::vector<std::string>& ids);

  struct Cached {
    absl::Duration asked;
    Facts facts;
  };
  const std::shared_ptr<grpc::Channel> channel_;
  Clock& clock_;
  absl::Mutex mutex_;
  std::map<std::string, Cached> cache_ ABSL_GUARDED_BY(mutex_);
  absl::Duration away_until_ ABSL_GUARDED_BY(mutex_);  // nobody waits for a registry that is away
};

// registry.v1.ReplicationSettings, serialized, as they count at `now`. Nonsense counts as unset.
Settings DecodeReplicationSettings(const std::string& settings, absl::Time now);

}  // namespace godwit::coordinator

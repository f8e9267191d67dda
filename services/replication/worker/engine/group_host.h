// The groups a worker has open, and which agent session may write to each.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/replication/worker/engine/lease_table.h"
#include "services/replication/worker/engine/work_meter.h"
#include "services/replication/worker/store/store.h"

namespace godwit::worker {

// A group in use. Shared by the streams of its session and by orders.
struct HostedGroup {
  std::string server;
  std::shared_ptr<store::Group> group;
  std::atomic<std::int64_t> received_bytes{0};
  absl::Mutex gate;  // shared by frames, held alone by syncs and commits: see work.h
  WorkMeter meter{RealClock()};
};

// Thread-safe.
class GroupHost {
 public:
  GroupHost(store::Store& store, const LeaseTable& leases) : store_(store), leases_(leases) {}

  // The group under the lease held now; opened when it is not yet. ABORTED: `generation` is not the
  // lease's.
  absl::StatusOr<std::shared_ptr<HostedGroup>> Open(const std::string& server,
                                                    std::int64_t generation);
  // Null when it is not open.
  std::shared_ptr<HostedGroup> Find(const std::string& server) const;
  // Ends the streams of the group and forgets it, so that the next Open reads the store anew.
  void Close(const std::string& server);
  // Closes what is no longer leased under the generation it was opened with.
  void CloseUnleased();
  void CloseAll();

  // Stands for one stream (lane) of an agent's session. A newer session of the same server ends the
  // streams of the older one and waits for them (at most 15 s: UNAVAILABLE).
  class Lane {
   public:
    Lane(GroupHost& host, std::string server, std::int64_t id)
        : host_(host), server_(std::move(server)), id_(id) {}
    ~Lane() { host_.Leave(server_, id_); }
    Lane(const Lane&) = delete;

   private:
    GroupHost& host_;
    const std::string server_;
    const std::int64_t id_;
  };
  absl::StatusOr<std::unique_ptr<Lane>> Enter(const std::string& server, const std::string& session,
                                              std::function<void()> cancel);

  struct Status {
    std::string server;
    std::int64_t generation, committed_epoch, received_bytes;
    bool connected;
    std::shared_ptr<HostedGroup> hosted;
  };
  std::vector<Status> List() const;

 private:
  friend class Lane;
  void Leave(const std::string& server, std::int64_t id);
  struct Sessions {
    std::string session;
    std::map<std::int64_t, std::function<void()>> lanes;  // id -> cancel
  };

  store::Store& store_;
  const LeaseTable& leases_;
  mutable absl::Mutex mutex_;
  std::map<std::string, std::shared_ptr<HostedGroup>> groups_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Sessions> sessions_ ABSL_GUARDED_BY(mutex_);
  std::int64_t next_lane_ ABSL_GUARDED_BY(mutex_) = 1;
  std::set<std::string> opening_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace godwit::worker

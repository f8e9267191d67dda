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
#include "services/replication/worker/engine/session_lanes.h"
#include "services/replication/worker/engine/work_meter.h"
#include "services/replication/worker/store/store.h"

namespace godwit::worker {

// A group in use. Shared by the streams of its session and by orders.
struct HostedGroup {
  std::string server;
  std::shared_ptr<store::Group> group;
  std::atomic<std::int64_t> received_bytes{0}, received_at_point{0};
  bool encrypt = false;  // it was opened as Lease::encrypt said
  // Streams that ended because a payload had been damaged on its way.
  std::atomic<std::int64_t> damaged_count{0};
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
  // Closes what is no longer leased under the generation it was opened with, and what the settings
  // want encrypted since.
  void CloseUnleased();
  void CloseAll();

  // Stands for one stream (lane) of an agent's session.
  class Lane {
   public:
    Lane(GroupHost& host, std::string server, std::int64_t id, std::shared_ptr<SessionLanes> lanes)
        : host_(host), server_(std::move(server)), id_(id), lanes_(std::move(lanes)) {}
    ~Lane() { host_.Leave(server_, id_); }
    Lane(const Lane&) = delete;
    SessionLanes& lanes() const { return *lanes_; }

   private:
    GroupHost& host_;
    const std::string server_;
    const std::int64_t id_;
    const std::shared_ptr<SessionLanes> lanes_;
  };
  // Lane 0 begins a session of `lane_count` lanes: the streams of the server's older one are ended
  // and waited for (at most 15 s: UNAVAILABLE). UNAVAILABLE for another lane whose session is not
  // the server's.
  absl::StatusOr<std::unique_ptr<Lane>> Enter(const std::string& server, const std::string& session,
                                              int lane, int lane_count,
                                              std::function<void()> cancel);

  struct Status {
    std::string server;
    std::int64_t generation, committed_epoch, received_bytes;
    bool connected;
    std::shared_ptr<HostedGroup> hosted;
  };
  std::vector<Status> List() const;

  // A leased group that cannot be opened before somebody does something about it.
  struct Failure {
    std::string server;
    std::int64_t generation;
    absl::Status status;
  };
  std::vector<Failure> Failures() const;

 private:
  friend class Lane;
  void Leave(const std::string& server, std::int64_t id);
  struct Sessions {
    std::string session;
    std::shared_ptr<SessionLanes> lanes;
    std::map<std::int64_t, std::function<void()>> streams;  // id -> cancel
  };

  store::Store& store_;
  const LeaseTable& leases_;
  mutable absl::Mutex mutex_;
  std::map<std::string, std::shared_ptr<HostedGroup>> groups_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Sessions> sessions_ ABSL_GUARDED_BY(mutex_);
  std::int64_t next_lane_ ABSL_GUARDED_BY(mutex_) = 1;
  std::set<std::string> opening_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Failure> failures_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace godwit::worker

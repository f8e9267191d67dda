// The agent while it runs: one heartbeat after the other to the coordinator, and the engine that
// does what it is told.
#pragma once

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "agent/discovery/properties.h"
#include "agent/engine/engine.h"
#include "agent/engine/freezer.h"
#include "agent/state/installation.h"
#include "services/common/rpc/channel.h"

namespace godwit::agent {

// Used by one thread.
class Service {
 public:
  Service(Installation installation, rpc::TlsMaterial tls, std::unique_ptr<Freezer> freezer);
  // Until SIGTERM (replication goes on where it was at the next start) or until the coordinator
  // wants the agent gone (*removed).
  absl::Status Run(bool* removed);

 private:
  absl::Status StartEngine();
  void StopEngine(bool detach);
  // One heartbeat; what it answered.
  absl::StatusOr<replication::v1::Directive> Heartbeat(bool released);
  absl::Status Obey(const replication::v1::Directive& directive);
  void RenewWhenDue();
  void ReportProperties();
  void WriteStatus(const absl::Status& heartbeat);
  rpc::TlsMaterial Tls() ABSL_LOCKS_EXCLUDED(mutex_);

  Installation installation_;
  std::string boot_id_;
  const std::unique_ptr<Freezer> freezer_;
  std::unique_ptr<Engine> engine_;
  std::vector<ReportedDisk> disks_;
  replication::v1::Directive directive_;
  std::shared_ptr<grpc::Channel> coordinator_, registry_;
  absl::Time next_renewal_check_, next_properties_;
  absl::Mutex mutex_;
  rpc::TlsMaterial tls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace godwit::agent

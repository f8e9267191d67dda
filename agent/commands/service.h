// The agent while it runs: one heartbeat after the other to the coordinator, and the engine that
// does what it is told.
#pragma once

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "agent/commands/source_disks.h"
#include "agent/discovery/properties.h"
#include "agent/engine/engine.h"
#include "agent/engine/freezer.h"
#include "agent/state/installation.h"
#include "agent/use/use_meter.h"
#include "services/common/base/clock.h"
#include "services/common/rpc/channel.h"

namespace godwit::agent {

// Used by one thread.
class Service {
 public:
  Service(Installation installation, rpc::TlsMaterial tls, std::unique_ptr<Freezer> freezer,
          Places places);
  // Until SIGTERM (replication goes on where it was at the next start) or until the coordinator
  // wants the agent gone (*removed).
  absl::Status Run(bool* removed);

 private:
  // Disks (service_disks.cc). Replicates what is to be replicated; also when it does already.
  absl::Status StartEngine();
  void StopEngine(bool detach);
  absl::StatusOr<std::unique_ptr<SourceDisk>> Track(ReportedDisk& disk);
  std::unique_ptr<WriteCapture> StartCapture();
  // Ends the engine when other disks are to be replicated now. True: StartEngine may find more.
  bool LookAtDisks();
  void Note(std::vector<ReportedDisk> disks);

  // One heartbeat; what it answered.
  absl::StatusOr<replication::v1::Directive> Heartbeat(bool released);
  void Obey(const replication::v1::Directive& directive);
  void RenewWhenDue();
  // Why nobody accepts the agent's certificate any more, and what to do; empty: it is good.
  std::string CertificateProblem();
  void ReportProperties();
  // CPU and memory that this machine uses.
  void MeasureUse();
  void WriteStatus(const absl::Status& heartbeat);
  // Until the next heartbeat; true: the agent ends.
  bool Rest(absl::Duration pause);
  rpc::TlsMaterial Tls() ABSL_LOCKS_EXCLUDED(mutex_);

  Installation installation_;
  const Places places_;
  std::string boot_id_;
  const std::unique_ptr<Freezer> freezer_;
  std::unique_ptr<Engine> engine_;
  SourceDisks source_disks_;
  UseMeter use_meter_;
  absl::Status measured_;     // the last MeasureUse
  bool use_is_told_ = false;  // once there is enough of it to choose a size
  std::vector<ReportedDisk> disks_;
  std::vector<WriteCapture::Device> captured_;  // with a tracker that capturing needs
  std::string capture_;                         // how writes are captured
  std::string freeze_reason_;                   // why points need a freeze; "": they do not
  absl::Status started_;                        // the last StartEngine
  replication::v1::AgentProgress progress_;     // of the last heartbeat
  replication::v1::Directive directive_;
  std::shared_ptr<grpc::Channel> coordinator_, registry_;
  absl::Time certificate_since_ = SteadyNow();  // by this process
  absl::Time next_renewal_check_, next_properties_, next_look_;
  absl::Mutex mutex_;
  rpc::TlsMaterial tls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace godwit::agent

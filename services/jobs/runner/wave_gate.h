// The checks of gates, on the machines that this service launched: by forwarded port or by the
// guest agent, as the boot proof does.
#pragma once

#include <map>
#include <string>

#include "services/jobs/app/job_store.h"
#include "services/jobs/app/wave_ports.h"
#include "services/jobs/targets/target.h"

namespace godwit::jobs {

// `store` and the targets must outlive it. Thread-safe. A check takes at most 30 s.
class MachineGate final : public GatePort {
 public:
  MachineGate(JobStore& store, std::map<std::string, Target*> targets)
      : store_(store), targets_(std::move(targets)) {}
  // FAILED_PRECONDITION: it cannot hold as the machine was launched.
  absl::Status Try(const std::string& job, const std::string& server,
                   const WaveCheck& check) override;

 private:
  JobStore& store_;
  const std::map<std::string, Target*> targets_;
};

}  // namespace godwit::jobs

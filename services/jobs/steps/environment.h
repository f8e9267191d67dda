// What steps act on. All of it outlives them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "services/jobs/app/job_store.h"
#include "services/jobs/app/ports.h"
#include "services/jobs/steps/ssh_command.h"
#include "services/jobs/targets/target.h"

namespace godwit::jobs {

struct Environment {
  JobStore& store;
  RegistryPort& registry;
  ReplicationPort& replication;
  ConversionPort& conversion;
  std::map<std::string, Target*> targets;
  SshOptions ssh;

  // FAILED_PRECONDITION: there is no such target here.
  absl::StatusOr<Target*> FindTarget(const std::string& name) const;
  // Whether a launch starts its machine: neither the settings nor the target say no.
  bool Starts(const LaunchSettings& settings) const;
  // For the log of a step that is skipped because the target starts nothing; else nothing.
  std::vector<LogLine> SkippedByTarget(const LaunchSettings& settings,
                                       absl::string_view what) const;
};

}  // namespace godwit::jobs

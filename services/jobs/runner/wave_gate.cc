#include "services/jobs/runner/wave_gate.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/app/facts.h"
#include "services/jobs/domain/derived.h"
#include "services/jobs/steps/guest_commands.h"
#include "services/jobs/steps/probes.h"

namespace godwit::jobs {
namespace {

constexpr absl::Duration kProbeTimeout = absl::Seconds(5);
constexpr absl::Duration kCommandTimeout = absl::Seconds(30);

absl::StatusOr<std::string> EndpointOf(const MachineStatus& machine, int port) {
  const auto found = machine.endpoints.find(port);
  if (found != machine.endpoints.end()) return found->second;
  return absl::FailedPreconditionError(absl::StrCat(
      "port ", port, " of the machine is not forwarded; add it to the launch settings"));
}

absl::Status TryCommand(Target& target, const std::string& machine, const Run& run,
                        const CommandCheck& check) {
  RETURN_IF_ERROR(PingAgent(target, machine));
  const bool windows = GetServer(run.outputs).os_family == "windows";
  ASSIGN_OR_RETURN(const GuestResult ran,
                   RunInGuest(target, machine, {.command = check.command, .windows = windows},
                              kCommandTimeout, [] { return absl::OkStatus(); }));
  if (ran.exit_code != check.exit_code) {
    return absl::UnavailableError(
        absl::StrCat("the command ended with ", ran.exit_code, " instead of ", check.exit_code));
  }
  if (!absl::StrContains(ran.output, check.output_contains)) {
    return absl::UnavailableError("the command's output lacks the expected text");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status MachineGate::Try(const std::string& job, const std::string& server,
                              const WaveCheck& check) {
  const std::string machine = MachineId(job, server);
  const absl::StatusOr<Run> run = store_.FindMachine(machine);
  if (absl::IsNotFound(run.status())) return absl::UnavailableError("its machine is gone");
  RETURN_IF_ERROR(run);
  const auto target = targets_.find(run->input.settings.target);
  if (target == targets_.end() || !target->second->starts_machines()) {
    return absl::FailedPreconditionError("its target starts no machines");
  }
  ASSIGN_OR_RETURN(const MachineStatus status, target->second->Describe(machine));
  if (status.power != Power::kRunning) return absl::UnavailableError("its machine does not run");
  switch (check.kind) {
    case WaveCheck::Kind::kTcp: {
      ASSIGN_OR_RETURN(const std::string endpoint, EndpointOf(status, check.tcp_port));
      return ProbeTcp(endpoint, kProbeTimeout,
                      [&] { return target->second->TookConnection(machine, check.tcp_port); });
    }
    case WaveCheck::Kind::kHttp: {
      ASSIGN_OR_RETURN(const std::string endpoint, EndpointOf(status, check.http.guest_port));
      return ProbeHttp(endpoint, check.http, kProbeTimeout).status();
    }
    case WaveCheck::Kind::kCommand:
      return TryCommand(*target->second, machine, *run, check.command);
  }
  return absl::InternalError("unknown kind of check");
}

}  // namespace godwit::jobs

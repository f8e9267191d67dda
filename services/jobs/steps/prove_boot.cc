#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/app/facts.h"
#include "services/jobs/domain/boot_evidence.h"
#include "services/jobs/domain/derived.h"
#include "services/jobs/domain/errors.h"
#include "services/jobs/steps/probes.h"
#include "services/jobs/steps/steps.h"

namespace godwit::jobs {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(500);
constexpr absl::Duration kProbeTimeout = absl::Seconds(10);
// How long a failure on the console must stand without the proof before it counts.
constexpr absl::Duration kFailureGrace = absl::Seconds(15);
constexpr std::int64_t kConsoleWindow = 4 << 20;
constexpr int kFirstBootSucceeded = 2;  // LaunchedMachine.FirstBoot.SUCCEEDED

// What was seen so far. Each sign is looked for until it was seen once.
struct Seen {
  std::string console;  // the last 4 MiB
  std::int64_t offset = 0;
  std::vector<std::string> proof;
  std::vector<bool> checks;  // console, TCP ports, HTTP checks in order
  std::string last_problem;
};

class ProveBoot final : public Step {
 public:
  explicit ProveBoot(const Environment& environment) : environment_(environment) {}
  absl::string_view name() const override { return "prove_boot"; }
  StepOptions options(const Run& run) const override {
    // A machine that did not come up is not asked again; only a lost connection to it is retried.
    return {.retry = {.most_attempts = 3},
            .timeout = run.input.settings.boot_proof.timeout + absl::Minutes(1)};
  }
  std::vector<LogLine> OnBegin(const Run& run) const override {
    if (run.input.settings.disposition == Disposition::kStopped) return {};
    return {{.event = Event::kBootProofStart, .message = "waiting for signs of life"}};
  }
  std::vector<LogLine> OnFailure(const Run&, const absl::Status& error) const override {
    return {{.event = Event::kBootProofFail, .message = std::string(error.message())}};
  }

  absl::Status Do(StepContext& context) override {
    const Run& run = context.run();
    if (run.input.settings.disposition == Disposition::kStopped) {
      context.result.state = StepState::kSkipped;
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(Target* const target, environment_.FindTarget(run.input.settings.target));
    const BootProof& wanted = run.input.settings.boot_proof;
    Seen seen;
    seen.checks.assign(1 + wanted.tcp_ports.size() + wanted.http_checks.size(), false);
    const absl::Duration deadline = context.clock().Monotonic() + wanted.timeout;
    std::optional<absl::Duration> failing_since;
    while (true) {
      RETURN_IF_ERROR(context.Check());
      RETURN_IF_ERROR(Look(run, *target, &seen));
      if (std::find(seen.checks.begin(), seen.checks.end(), false) == seen.checks.end()) {
        return Proven(context, seen);
      }
      ASSIGN_OR_RETURN(const MachineStatus status, target->Describe(MachineOf(run)));
      const BootFinding finding =
          FindFailure(seen.console, target->ReadFirmwareLog(MachineOf(run)));
      const absl::Duration now = context.clock().Monotonic();
      if (finding.failure != BootFailure::kNone && !failing_since) failing_since = now;
      if (now > deadline || status.power != Power::kRunning ||
          (failing_since && now > *failing_since + kFailureGrace)) {
        return Failed(finding, status, seen);
      }
      RETURN_IF_ERROR(context.Sleep(kPoll));
    }
  }

 private:
  static std::string MachineOf(const Run& run) { return MachineId(run.job_id, run.input.server); }

  absl::Status Look(const Run& run, Target& target, Seen* seen) {
    const BootProof& wanted = run.input.settings.boot_proof;
    ASSIGN_OR_RETURN(const ConsoleChunk chunk, target.ReadConsole(MachineOf(run), seen->offset));
    seen->offset = chunk.next_offset;
    seen->console += chunk.content;
    if (seen->console.size() > kConsoleWindow) {
      seen->console.erase(0, seen->console.size() - kConsoleWindow / 2);
    }
    if (!seen->checks[0]) LookAtConsole(wanted, seen);
    const std::map<int, std::string> endpoints = GetEndpoints(run.outputs);
    std::size_t at = 1;
    for (const int port : wanted.tcp_ports) {
      LookAtPort(endpoints, port, at++, seen,
                 [&](const std::string& endpoint) -> absl::StatusOr<std::string> {
                   RETURN_IF_ERROR(ProbeTcp(endpoint, kProbeTimeout));
                   return std::string("accepts connections");
                 });
    }
    for (const HttpCheck& check : wanted.http_checks) {
      LookAtPort(endpoints, check.guest_port, at++, seen, [&](const std::string& endpoint) {
        return ProbeHttp(endpoint, check, kProbeTimeout);
      });
    }
    return absl::OkStatus();
  }

  static void LookAtConsole(const BootProof& wanted, Seen* seen) {
    std::string line;
    if (!wanted.console_text.empty()) {
      if (absl::StrContains(seen->console, wanted.console_text)) line = wanted.console_text;
    } else if (wanted.tcp_ports.empty() && wanted.http_checks.empty()) {
      line = FindSignOfLife(seen->console);
    } else {
      seen->checks[0] = true;  // ports were asked for, the console was not
      return;
    }
    if (line.empty()) return;
    seen->checks[0] = true;
    seen->proof.push_back(absl::StrCat("console: ", Printable(line, 300)));
  }

  template <typename Probe>
  static void LookAtPort(const std::map<int, std::string>& endpoints, int port, std::size_t at,
                         Seen* seen, const Probe& probe) {
    if (seen->checks[at]) return;
    const auto endpoint = endpoints.find(port);
    if (endpoint == endpoints.end()) {
      seen->last_problem = absl::StrCat("port ", port, " is not forwarded");
      return;
    }
    const absl::StatusOr<std::string> answer = probe(endpoint->second);
    if (!answer.ok()) {
      seen->last_problem =
          absl::StrCat("port ", port, ": ", std::string(answer.status().message()));
      return;
    }
    seen->checks[at] = true;
    seen->proof.push_back(absl::StrCat("port ", port, ": ", *answer));
  }

  absl::Status Proven(StepContext& context, const Seen& seen) {
    Outputs facts = context.run().outputs;
    PutProof(facts, seen.proof);
    PutTime(facts, kFactProvenTime, context.clock().Now());
    facts[kFactFirstBoot] = absl::StrCat(kFirstBootSucceeded);
    for (auto& [key, value] : facts) context.Set(key, value);
    context.result.message = absl::StrJoin(seen.proof, "; ");
    context.result.log.push_back(
        {.event = Event::kBootProofEnd, .message = context.result.message});
    return absl::OkStatus();
  }

  static absl::Status Failed(const BootFinding& finding, const MachineStatus& status,
                             const Seen& seen) {
    std::string what = absl::StrCat(FailureName(finding.failure), ": ");
    if (finding.failure != BootFailure::kNone) {
      absl::StrAppend(&what, "the console says \"", finding.line, "\"");
    } else if (status.power != Power::kRunning) {
      absl::StrAppend(&what, "the machine stopped by itself");
    } else {
      absl::StrAppend(&what, "no proof within the time limit");
    }
    if (!seen.last_problem.empty()) absl::StrAppend(&what, "; ", seen.last_problem);
    const std::string tail =
        seen.console.substr(seen.console.size() - std::min<std::size_t>(200, seen.console.size()));
    absl::StrAppend(&what, "; last on the console: \"", Printable(tail, 200), "\"; ",
                    FailureRemedy(finding.failure));
    return absl::FailedPreconditionError(what);
  }

  const Environment& environment_;
};

}  // namespace

std::unique_ptr<Step> MakeProveBoot(const Environment& environment) {
  return std::make_unique<ProveBoot>(environment);
}

}  // namespace godwit::jobs

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/app/facts.h"
#include "services/jobs/domain/boot_evidence.h"
#include "services/jobs/domain/derived.h"
#include "services/jobs/domain/errors.h"
#include "services/jobs/steps/guest_commands.h"
#include "services/jobs/steps/probes.h"
#include "services/jobs/steps/steps.h"

namespace godwit::jobs {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(500);
constexpr absl::Duration kProbeTimeout = absl::Seconds(10);
constexpr absl::Duration kCommandTimeout = absl::Seconds(60);
// How long a failure on the console must stand without the proof before it counts.
constexpr absl::Duration kFailureGrace = absl::Seconds(15);
constexpr std::int64_t kConsoleWindow = 4 << 20;
constexpr absl::Duration kScreenPoll = absl::Seconds(3);
constexpr int kFirstBootSucceeded = 2;  // LaunchedMachine.FirstBoot.SUCCEEDED

// What was seen so far. Each sign is looked for until it was seen once.
struct Seen {
  std::string console;  // the last 4 MiB
  std::int64_t offset = 0;
  std::string screen;  // its text, now and then: without a serial console the only witness
  absl::Duration screen_due;
  std::vector<std::string> proof;
  std::vector<bool> checks;  // console, agent, TCP ports, HTTP checks, commands in order
  std::string last_problem;
  ProofGap gap;
};

std::size_t CheckCount(const BootProof& wanted) {
  return 2 + wanted.tcp_ports.size() + wanted.http_checks.size() + wanted.commands.size();
}

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
    if (!environment_.Starts(run.input.settings)) return {};
    return {{.event = Event::kBootProofStart, .message = "waiting for signs of life"}};
  }
  std::vector<LogLine> OnFailure(const Run&, const absl::Status& error) const override {
    return {{.event = Event::kBootProofFail, .message = std::string(error.message())}};
  }

  absl::Status Do(StepContext& context) override {
    const Run& run = context.run();
    if (!environment_.Starts(run.input.settings)) {
      context.result.log = environment_.SkippedByTarget(run.input.settings, "boot proof");
      context.result.state = StepState::kSkipped;
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(Target* const target, environment_.FindTarget(run.input.settings.target));
    const BootProof& wanted = run.input.settings.boot_proof;
    Seen seen;
    seen.checks.assign(CheckCount(wanted), false);
    seen.gap.ports_wanted = !wanted.tcp_ports.empty() || !wanted.http_checks.empty();
    const absl::Duration deadline = context.clock().Monotonic() + wanted.timeout;
    std::optional<absl::Duration> failing_since;
    while (true) {
      RETURN_IF_ERROR(context.Check());
      RETURN_IF_ERROR(Look(context, *target, &seen));
      if (std::find(seen.checks.begin(), seen.checks.end(), false) == seen.checks.end()) {
        return Proven(context, *target, seen);
      }
      ASSIGN_OR_RETURN(const MachineStatus status, target->Describe(MachineOf(run)));
      const absl::Duration now = context.clock().Monotonic();
      if (now >= seen.screen_due) {
        seen.screen = target->ReadScreenText(MachineOf(run));
        seen.screen_due = now + kScreenPoll;
      }
      BootFinding finding = FindFailure(seen.console, target->ReadFirmwareLog(MachineOf(run)));
      if (finding.failure == BootFailure::kNone) finding = FindFailure(seen.screen, "");
      if (finding.failure == BootFailure::kNone) {
        failing_since.reset();
      } else if (!failing_since) {
        failing_since = now;
      }
      if (now > deadline || status.power != Power::kRunning ||
          (failing_since && now > *failing_since + kFailureGrace)) {
        return Failed(context, *target, finding, status, &seen);
      }
      RETURN_IF_ERROR(context.Sleep(kPoll));
    }
  }

 private:
  static std::string MachineOf(const Run& run) { return MachineId(run.job_id, run.input.server); }

  absl::Status Look(StepContext& context, Target& target, Seen* seen) {
    const Run& run = context.run();
    const BootProof& wanted = run.input.settings.boot_proof;
    ASSIGN_OR_RETURN(const ConsoleChunk chunk, target.ReadConsole(MachineOf(run), seen->offset));
    seen->offset = chunk.next_offset;
    seen->console += chunk.content;
    if (seen->console.size() > kConsoleWindow) {
      seen->console.erase(0, seen->console.size() - kConsoleWindow / 2);
    }
    if (!seen->checks[0]) LookAtConsole(wanted, seen);
    const std::map<int, std::string> endpoints = GetEndpoints(run.outputs);
    LookAtAgent(run, target, seen);
    std::size_t at = 2;
    for (const int port : wanted.tcp_ports) {
      LookAtPort(endpoints, port, at++, seen,
                 [&](const std::string& endpoint) -> absl::StatusOr<std::string> {
                   RETURN_IF_ERROR(ProbeTcp(endpoint, kProbeTimeout, [&] {
                     return target.TookConnection(MachineOf(run), port);
                   }));
                   return std::string("accepts connections");
                 });
    }
    for (const HttpCheck& check : wanted.http_checks) {
      LookAtPort(endpoints, check.guest_port, at++, seen, [&](const std::string& endpoint) {
        return ProbeHttp(endpoint, check, kProbeTimeout);
      });
    }
    for (const CommandCheck& check : wanted.commands) {
      RETURN_IF_ERROR(LookAtCommand(context, target, check, at++, seen));
    }
    return absl::OkStatus();
  }

  static void LookAtAgent(const Run& run, Target& target, Seen* seen) {
    const BootProof& wanted = run.input.settings.boot_proof;
    if (seen->checks[1]) return;
    if (!wanted.guest_agent && wanted.commands.empty()) {
      seen->checks[1] = true;
      return;
    }
    const absl::Status answers = PingAgent(target, MachineOf(run));
    if (!answers.ok()) {
      seen->last_problem = std::string(answers.message());
      return;
    }
    seen->checks[1] = seen->gap.alive = true;
    seen->proof.push_back("guest agent: answers");
  }

  static absl::Status LookAtCommand(StepContext& context, Target& target, const CommandCheck& check,
                                    std::size_t at, Seen* seen) {
    if (seen->checks[at] || !seen->checks[1]) return absl::OkStatus();
    const bool windows = GetServer(context.run().outputs).os_family == "windows";
    const auto ran =
        RunInGuest(target, MachineOf(context.run()), {.command = check.command, .windows = windows},
                   kCommandTimeout, [&] { return context.Check(); });
    RETURN_IF_ERROR(context.Check());
    if (!ran.ok()) {
      seen->last_problem = absl::StrCat("command: ", std::string(ran.status().message()));
      return absl::OkStatus();
    }
    const bool good =
        ran->exit_code == check.exit_code && absl::StrContains(ran->output, check.output_contains);
    seen->gap.command_failed = !good;
    const std::string what =
        absl::StrCat("command \"", Printable(check.command, 100), "\": exit code ", ran->exit_code);
    if (good) {
      seen->checks[at] = true;
      seen->proof.push_back(what);
    } else {
      seen->last_problem = absl::StrCat(what, ", \"", Printable(ran->output, 200), "\"");
    }
    return absl::OkStatus();
  }

  static void LookAtConsole(const BootProof& wanted, Seen* seen) {
    std::string line;
    if (!wanted.console_text.empty()) {
      if (absl::StrContains(seen->console, wanted.console_text)) line = wanted.console_text;
    } else if (CheckCount(wanted) == 2 && !wanted.guest_agent) {
      line = FindSignOfLife(seen->console);
    } else {
      seen->checks[0] = true;  // other signs were asked for, the console was not
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
      // A closed port is an answer of the guest's network.
      if (answer.status().message() == kClosedAtOnce) seen->gap.port_refused = true;
      if (absl::StartsWith(answer.status().message(), "HTTP ")) seen->gap.any_port_answered = true;
      return;
    }
    seen->checks[at] = seen->gap.any_port_answered = true;
    seen->proof.push_back(absl::StrCat("port ", port, ": ", *answer));
  }

  // The screen as it is now, kept with the job: it outlives the machine.
  static void KeepScreen(StepContext& context, Target& target) {
    const auto screen = target.Screenshot(MachineOf(context.run()));
    if (!screen.ok()) return;
    const absl::Status kept = context.SaveScreenshot(*screen);
    if (kept.ok()) PutTimeFact(context, kFactScreenshotTime);
  }

  static void PutTimeFact(StepContext& context, const char* key) {
    Outputs time;
    PutTime(time, key, context.clock().Now());
    context.Set(key, time[key]);
  }

  absl::Status Proven(StepContext& context, Target& target, const Seen& seen) {
    KeepScreen(context, target);
    Outputs facts = context.run().outputs;
    PutList(facts, kFactAttempts, target.NetworkAttempts(MachineOf(context.run())));
    PutProof(facts, seen.proof);
    PutTime(facts, kFactProvenTime, context.clock().Now());
    facts[kFactFirstBoot] = absl::StrCat(kFirstBootSucceeded);
    for (auto& [key, value] : facts) context.Set(key, value);
    context.result.message = absl::StrJoin(seen.proof, "; ");
    context.result.log.push_back(
        {.event = Event::kBootProofEnd, .message = context.result.message});
    return absl::OkStatus();
  }

  static absl::Status Failed(StepContext& context, Target& target, BootFinding finding,
                             const MachineStatus& status, Seen* seen) {
    KeepScreen(context, target);
    if (finding.failure == BootFailure::kNone) {
      seen->gap.stopped = status.power != Power::kRunning;
      if (seen->gap.alive)
        seen->gap.has_address = GuestHasAddress(target, MachineOf(context.run()));
      finding = ConcludeFailure(seen->gap, absl::StrCat(seen->console, "\n", seen->screen));
    }
    context.Set(kFactBootFailure, FailureName(finding.failure));
    RETURN_IF_ERROR(context.Save(FailureName(finding.failure)));
    std::string what = absl::StrCat(FailureName(finding.failure), ": ");
    if (finding.line.empty()) {
      absl::StrAppend(&what, "no proof within the time limit");
    } else {
      absl::StrAppend(&what, "\"", finding.line, "\"");
    }
    if (!seen->last_problem.empty()) absl::StrAppend(&what, "; ", seen->last_problem);
    const bool spoke = !absl::StripAsciiWhitespace(seen->console).empty();
    const std::string& said = spoke ? seen->console : seen->screen;
    const std::string tail = said.substr(said.size() - std::min<std::size_t>(200, said.size()));
    absl::StrAppend(&what, "; last on the ", spoke ? "console" : "screen", ": \"",
                    Printable(tail, 200), "\"; ", FailureRemedy(finding.failure));
    return absl::FailedPreconditionError(what);
  }

  const Environment& environment_;
};

}  // namespace

std::unique_ptr<Step> MakeProveBoot(const Environment& environment) {
  return std::make_unique<ProveBoot>(environment);
}

}  // namespace godwit::jobs

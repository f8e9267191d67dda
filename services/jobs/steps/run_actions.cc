// Post-launch actions: in their order, each within its time, on the machine that proved its boot. A
// failing action fails no launch; one that must succeed blocks FinalizeCutover.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/app/facts.h"
#include "services/jobs/domain/boot_evidence.h"
#include "services/jobs/domain/derived.h"
#include "services/jobs/domain/errors.h"
#include "services/jobs/steps/guest_commands.h"
#include "services/jobs/steps/ssh_command.h"
#include "services/jobs/steps/steps.h"

namespace godwit::jobs {
namespace {

constexpr std::size_t kMostLogged = 16 << 10;  // of an action's output, in the job's log
constexpr std::size_t kMostShown = 300;
constexpr int kSshPort = 22;
// How long a machine that just booted may take until its agent or SSH server answers.
constexpr absl::Duration kReachable = absl::Minutes(2);
constexpr absl::Duration kPoll = absl::Seconds(1);

// Why an action is not for this launch; empty when it is.
std::string NotFor(const PostLaunchAction& action, const Run& run, const std::string& os) {
  const bool test = run.type == JobType::kTestLaunch;
  if (!action.active) return "not active";
  if (action.deployment == Deployment::kTestOnly && !test) return "for tests only";
  if (action.deployment == Deployment::kCutoverOnly && test) return "for cutovers only";
  const std::string here = os.empty() ? "linux" : os;
  if (!action.operating_system.empty() && action.operating_system != here)
    return absl::StrCat("for ", action.operating_system, " only");
  return "";
}

// The last lines of it, printable.
std::string End(const std::string& output) {
  const std::string cut =
      output.size() > kMostShown ? output.substr(output.size() - kMostShown) : output;
  return Printable(cut, kMostShown);
}

class RunActions final : public Step {
 public:
  explicit RunActions(const Environment& environment) : environment_(environment) {}
  absl::string_view name() const override { return "run_actions"; }
  StepOptions options(const Run& run) const override {
    absl::Duration timeout = absl::Minutes(5);
    for (const PostLaunchAction& action : run.input.settings.actions)
      timeout += action.timeout + kReachable;
    return {.retry = {.most_attempts = 5}, .timeout = timeout};
  }

  absl::Status Do(StepContext& context) override {
    const Run& run = context.run();
    const std::vector<PostLaunchAction>& wanted = run.input.settings.actions;
    if (wanted.empty()) {
      context.result.state = StepState::kSkipped;
      return absl::OkStatus();
    }
    context.result.log = environment_.SkippedByTarget(run.input.settings, "post-launch actions");
    ASSIGN_OR_RETURN(Target* const target, environment_.FindTarget(run.input.settings.target));
    // What was done by a runner before this one is not done again.
    std::vector<ActionReport> reports = GetActions(run.outputs);
    for (std::size_t i = reports.size(); i < wanted.size(); ++i) {
      ASSIGN_OR_RETURN(ActionReport report, RunOne(context, *target, wanted[i]));
      reports.push_back(std::move(report));
      Outputs facts = run.outputs;
      PutActions(facts, reports);
      for (auto& [key, value] : facts) context.Set(key, value);
      RETURN_IF_ERROR(
          context.Save(absl::StrCat(reports.size(), " of ", wanted.size(), " actions")));
    }
    const auto failed = std::count_if(reports.begin(), reports.end(), [](const auto& report) {
      return report.state == ActionReport::State::kFailed;
    });
    context.result.message = absl::StrCat(wanted.size(), " actions, ", failed, " failed");
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<ActionReport> RunOne(StepContext& context, Target& target,
                                      const PostLaunchAction& action) {
    const Run& run = context.run();
    ActionReport report{.id = action.id};
    report.message = NotFor(action, run, GetServer(run.outputs).os_family);
    if (report.message.empty() && !environment_.Starts(run.input.settings))
      report.message = "the machine was not started";
    if (!report.message.empty()) {
      report.state = ActionReport::State::kSkipped;
      return report;
    }
    RETURN_IF_ERROR(context.Log({.event = Event::kActionStart,
                                 .message = action.id,
                                 .data = {{"order", absl::StrCat(action.order)}}}));
    const auto ran = Execute(context, target, action, &report.transport);
    RETURN_IF_ERROR(context.Check());
    if (ran.ok() && ran->exit_code == 0) {
      report.message = End(ran->output);
    } else {
      report.state = ActionReport::State::kFailed;
      report.blocks_cutover = action.must_succeed;
      report.exit_code = ran.ok() ? ran->exit_code : -1;
      report.message = ran.ok() ? absl::StrCat("exit code ", ran->exit_code, ": ", End(ran->output))
                                : std::string(ran.status().message());
    }
    const bool good = report.state == ActionReport::State::kSucceeded;
    RETURN_IF_ERROR(context.Log(
        {.event = good ? Event::kActionEnd : Event::kActionFail,
         .message = absl::StrCat(action.id, good ? "" : ": ", good ? "" : report.message),
         .data = {{"transport", report.transport},
                  {"exit_code", absl::StrCat(report.exit_code)},
                  {"output", ran.ok() ? ran->output.substr(0, kMostLogged) : std::string()}}}));
    return report;
  }

  // By what answers first.
  absl::StatusOr<GuestResult> Execute(StepContext& context, Target& target,
                                      const PostLaunchAction& action, std::string* transport) {
    const Run& run = context.run();
    const std::string machine = MachineId(run.job_id, run.input.server);
    const GuestCommand command{.command = action.command,
                               .environment = action.parameters,
                               .windows = GetServer(run.outputs).os_family == "windows"};
    const auto check = [&] { return context.Check(); };
    const std::map<int, std::string> endpoints = GetEndpoints(run.outputs);
    const auto ssh = endpoints.find(kSshPort);
    const bool may_ssh = action.transport != Transport::kGuestAgent &&
                         !environment_.ssh.key_file.empty() && ssh != endpoints.end();
    const bool may_ask = action.transport != Transport::kSsh;
    if (!may_ssh && !may_ask)
      return absl::UnavailableError(
          "SSH needs --ssh-key-file of godwit-jobs and a forward of port 22");
    SshOptions by_ssh = environment_.ssh;
    by_ssh.host_name = GetServer(run.outputs).hostname;
    const absl::Time deadline = SteadyNow() + kReachable;
    absl::Status last;
    while (true) {
      if (may_ask) {
        last = PingAgent(target, machine);
        if (last.ok()) {
          *transport = "guest-agent";
          return RunInGuest(target, machine, command, action.timeout, check);
        }
      }
      if (may_ssh) {
        const auto ran = RunOverSsh(by_ssh, ssh->second, command, action.timeout, check);
        if (ran.ok() || !absl::IsUnavailable(ran.status())) {
          *transport = "ssh";
          return ran;
        }
        last = ran.status();
      }
      RETURN_IF_ERROR(context.Check());
      if (SteadyNow() > deadline) {
        return absl::UnavailableError(
            absl::StrCat("nothing in the machine takes commands: ", last.message()));
      }
      RETURN_IF_ERROR(context.Sleep(kPoll));
    }
  }

  const Environment& environment_;
};

}  // namespace

std::unique_ptr<Step> MakeRunActions(const Environment& environment) {
  return std::make_unique<RunActions>(environment);
}

}  // namespace godwit::jobs

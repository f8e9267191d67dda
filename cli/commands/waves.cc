#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/group_names.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/views/wave_view.h"
#include "cli/watch.h"
#include "cli/wave_options.h"
#include "godwit/jobs/v1/wave_run_service.grpc.pb.h"
#include "services/common/base/ids.h"

namespace godwit::cli {
namespace {

using jobs::v1::WaveRun;
using jobs::v1::WaveRunGroup;
using jobs::v1::WaveRunServer;
using jobs::v1::WaveRunService;
using Stub = WaveRunService::Stub;

constexpr absl::Duration kDefaultWatch = absl::Hours(24);

// A line for every server and group whose state is new.
class Lines {
 public:
  explicit Lines(Progress& progress) : progress_(progress) {}
  void See(const WaveRun& run) {
    for (const WaveRunGroup& group : run.groups()) {
      Tell(group.application(), group.display_name(), EnumWord(group.state()), group.state_reason(),
           group.state() == WaveRunGroup::WAITING);
      for (const WaveRunServer& server : group.servers()) {
        Tell(server.source_server(),
             server.hostname().empty() ? ShortName(server.source_server()) : server.hostname(),
             EnumWord(server.state()),
             server.state() == WaveRunServer::LAUNCHING ? ShortName(server.job()) : server.reason(),
             server.state() == WaveRunServer::WAITING);
      }
    }
    Tell(run.name(), ShortName(run.name()), EnumWord(run.state()), run.state_reason(), false);
  }

 private:
  void Tell(const std::string& key, const std::string& name, const std::string& state,
            const std::string& reason, bool quiet) {
    std::string& last = last_[key];
    if (last == state) return;
    last = state;
    if (quiet) return;
    progress_.Line(absl::StrCat(name, "  ", state, reason.empty() ? "" : "  ", reason));
  }

  Progress& progress_;
  std::map<std::string, std::string> last_;
};

// Until it ended or was stopped; while it waits for an approval it is only said so.
absl::StatusOr<WaveRun> WatchRun(Context& context, const std::string& name,
                                 absl::Duration timeout) {
  jobs::v1::WatchWaveRunRequest request;
  request.set_name(name);
  WaveRun last;
  Progress progress(context);
  Lines lines(progress);
  const absl::Status watched =
      WatchStates(context, &Stub::WatchWaveRun, request, context.clock().Monotonic() + timeout,
                  &WaveRun::etag, std::function<bool(const WaveRun&)>([&](const WaveRun& run) {
                    last = run;
                    lines.See(run);
                    if (Ended(run) || run.state() == WaveRun::STOPPED) return false;
                    progress.Show(EnumWord(run.state()), WaveNow(run), WaveFraction(run));
                    return true;
                  }));
  if (absl::IsDeadlineExceeded(watched)) {
    return absl::DeadlineExceededError(absl::StrCat(ShortName(name), " is ", EnumWord(last.state()),
                                                    " after ", Span(timeout), "; it goes on"));
  }
  RETURN_IF_ERROR(watched);
  return last;
}

// Prints the run; ends with 1 when it stopped or ended badly.
absl::Status Show(Context& context, const WaveRun& run, bool judged) {
  if (context.json()) {
    RETURN_IF_ERROR(PrintJson(context, run));
  } else {
    PrintWaveRun(run, context.out());
  }
  const bool bad = run.state() == WaveRun::STOPPED || run.state() == WaveRun::FAILED ||
                   run.state() == WaveRun::CANCELLED;
  if (!judged || !bad) return absl::OkStatus();
  return OperationFailed(absl::StrCat(ShortName(run.name()), " ", EnumWord(run.state()),
                                      run.state_reason().empty() ? "" : ": ", run.state_reason()));
}

struct Watching {
  bool watch = false;
  absl::Duration timeout = kDefaultWatch;
  void AddTo(Options& options) {
    options.Bool("watch", &watch, "stay until it ended or stopped, showing progress");
    options.Duration("timeout", &timeout, "longest wait; only with --watch");
  }
  absl::Status Finish(Context& context, WaveRun run) const {
    if (!watch) return Show(context, run, false);
    context.err() << ShortName(run.name()) << " " << EnumWord(run.kind()) << " began" << std::endl;
    ASSIGN_OR_RETURN(run, WatchRun(context, run.name(), timeout));
    return Show(context, run, true);
  }
};

Command Plan() {
  auto options = std::make_shared<WaveOptions>();
  auto kind = std::make_shared<std::string>("test");
  return {
      .words = "waves plan",
      .arguments = "WAVE",
      .purpose = "what a run would do and what is in its way; changes nothing",
      .least = 1,
      .most = 1,
      .options =
          [options, kind](Options& to) {
            to.String("kind", kind.get(), "KIND", "test, mark-ready, cutover or finalize [test]");
            options->AddTo(to);
          },
      .run = [options, kind](Context& context, const Options&,
                             const Arguments& arguments) -> absl::Status {
        jobs::v1::PlanWaveRunRequest request;
        ASSIGN_OR_RETURN(const int number, ParseEnum("kind", WaveRun::Kind_descriptor(), *kind));
        request.set_kind(static_cast<WaveRun::Kind>(number));
        ASSIGN_OR_RETURN(*request.mutable_wave(), WaveName(context, arguments[0]));
        ASSIGN_OR_RETURN(*request.mutable_options(), options->Read(context, request.wave()));
        ASSIGN_OR_RETURN(const auto plan, Call(context, &Stub::PlanWaveRun, request));
        if (context.json()) return PrintJson(context, plan);
        PrintWavePlan(plan, context.out());
        return absl::OkStatus();
      }};
}

Command Begin(std::string words, WaveRun::Kind kind, std::string purpose) {
  auto options = std::make_shared<WaveOptions>();
  auto watching = std::make_shared<Watching>();
  return {.words = std::move(words),
          .arguments = "WAVE",
          .purpose = std::move(purpose),
          .least = 1,
          .most = 1,
          .options =
              [options, watching](Options& to) {
                options->AddTo(to);
                watching->AddTo(to);
              },
          .run = [options, watching, kind](Context& context, const Options&,
                                           const Arguments& arguments) -> absl::Status {
            jobs::v1::StartWaveRunRequest request;
            request.set_request_id(NewUuid());
            request.set_kind(kind);
            ASSIGN_OR_RETURN(*request.mutable_wave(), WaveName(context, arguments[0]));
            ASSIGN_OR_RETURN(*request.mutable_options(), options->Read(context, request.wave()));
            ASSIGN_OR_RETURN(WaveRun run, Call(context, &Stub::StartWaveRun, request));
            return watching->Finish(context, std::move(run));
          }};
}

Command List() {
  auto active = std::make_shared<bool>(false);
  return {
      .words = "waves runs",
      .arguments = "[WAVE]",
      .purpose = "runs over waves, newest first",
      .most = 1,
      .options = [active](Options& to) { to.Bool("active", active.get(), "only those not ended"); },
      .run = [active](Context& context, const Options&,
                      const Arguments& arguments) -> absl::Status {
        jobs::v1::ListWaveRunsRequest request;
        request.set_active_only(*active);
        if (!arguments.empty()) {
          ASSIGN_OR_RETURN(*request.mutable_wave(), WaveName(context, arguments[0]));
        }
        ASSIGN_OR_RETURN(const auto list, CallAllPages(context, &Stub::ListWaveRuns, request));
        if (context.json()) return PrintJson(context, list);
        PrintWaveRuns(list, context.out());
        return absl::OkStatus();
      }};
}

Command ShowRun() {
  return {.words = "waves run show",
          .arguments = "WAVE|RUN",
          .purpose = "groups, servers, reasons; of a wave its newest run",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            ASSIGN_OR_RETURN(const WaveRun run, FindWaveRun(context, arguments[0]));
            return Show(context, run, false);
          }};
}

Command LogOfRun() {
  return {.words = "waves run log",
          .arguments = "WAVE|RUN",
          .purpose = "the run's events",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            ASSIGN_OR_RETURN(const WaveRun run, FindWaveRun(context, arguments[0]));
            jobs::v1::ListWaveRunEventsRequest request;
            request.set_name(run.name());
            ASSIGN_OR_RETURN(const auto list,
                             CallAllPages(context, &Stub::ListWaveRunEvents, request));
            if (context.json()) return PrintJson(context, list);
            for (const auto& event : list.events()) context.out() << WaveEventLine(event) << "\n";
            return absl::OkStatus();
          }};
}

Command WatchCommand() {
  auto timeout = std::make_shared<absl::Duration>(kDefaultWatch);
  return {
      .words = "waves run watch",
      .arguments = "WAVE|RUN",
      .purpose = "progress until it ended or stopped; ends with 1 unless it succeeded",
      .least = 1,
      .most = 1,
      .options = [timeout](Options& to) { to.Duration("timeout", timeout.get(), "longest wait"); },
      .run = [timeout](Context& context, const Options&,
                       const Arguments& arguments) -> absl::Status {
        ASSIGN_OR_RETURN(WaveRun run, FindWaveRun(context, arguments[0]));
        ASSIGN_OR_RETURN(run, WatchRun(context, run.name(), *timeout));
        return Show(context, run, true);
      }};
}

Command Approve() {
  auto application = std::make_shared<std::string>();
  auto watching = std::make_shared<Watching>();
  return {.words = "waves approve",
          .arguments = "WAVE|RUN",
          .purpose = "lets the application that waits begin",
          .least = 1,
          .most = 1,
          .options =
              [application, watching](Options& to) {
                to.String("application", application.get(), "APP", "the one that is meant");
                watching->AddTo(to);
              },
          .run = [application, watching](Context& context, const Options&,
                                         const Arguments& arguments) -> absl::Status {
            ASSIGN_OR_RETURN(WaveRun run, FindWaveRun(context, arguments[0]));
            jobs::v1::ApproveWaveRunRequest request;
            request.set_name(run.name());
            request.set_request_id(NewUuid());
            if (!application->empty()) {
              ASSIGN_OR_RETURN(*request.mutable_application(),
                               ApplicationName(context, run.wave(), *application));
            }
            ASSIGN_OR_RETURN(run, Call(context, &Stub::ApproveWaveRun, request));
            return watching->Finish(context, std::move(run));
          }};
}

Command Resume() {
  auto retry = std::make_shared<bool>(false);
  auto watching = std::make_shared<Watching>();
  return {.words = "waves resume",
          .arguments = "WAVE|RUN",
          .purpose = "goes on after a stop, without what failed or (--retry) trying it again",
          .least = 1,
          .most = 1,
          .options =
              [retry, watching](Options& to) {
                to.Bool("retry", retry.get(), "try failed servers and the failed gate again");
                watching->AddTo(to);
              },
          .run = [retry, watching](Context& context, const Options&,
                                   const Arguments& arguments) -> absl::Status {
            ASSIGN_OR_RETURN(WaveRun run, FindWaveRun(context, arguments[0]));
            jobs::v1::ResumeWaveRunRequest request;
            request.set_name(run.name());
            request.set_request_id(NewUuid());
            request.set_retry_failed(*retry);
            ASSIGN_OR_RETURN(run, Call(context, &Stub::ResumeWaveRun, request));
            return watching->Finish(context, std::move(run));
          }};
}

Command Cancel() {
  auto leave = std::make_shared<bool>(false);
  return {
      .words = "waves cancel",
      .arguments = "WAVE|RUN",
      .purpose = "starts nothing more and cancels jobs under way",
      .least = 1,
      .most = 1,
      .options =
          [leave](Options& to) { to.Bool("leave-jobs", leave.get(), "let jobs under way end"); },
      .run = [leave](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
        ASSIGN_OR_RETURN(WaveRun run, FindWaveRun(context, arguments[0]));
        jobs::v1::CancelWaveRunRequest request;
        request.set_name(run.name());
        request.set_request_id(NewUuid());
        request.set_leave_jobs(*leave);
        ASSIGN_OR_RETURN(run, Call(context, &Stub::CancelWaveRun, request));
        return Show(context, run, false);
      }};
}

}  // namespace

std::vector<Command> WaveCommands() {
  return {Plan(),
          Begin("waves test", WaveRun::TEST, "launches test machines of a whole wave"),
          Begin("waves mark-ready", WaveRun::MARK_READY, "the testers accepted the wave"),
          Begin("waves cutover", WaveRun::CUTOVER,
                "launches the machines of a whole wave that take over"),
          Begin("waves finalize", WaveRun::FINALIZE, "ends replication of a whole wave"),
          List(),
          ShowRun(),
          LogOfRun(),
          WatchCommand(),
          Approve(),
          Resume(),
          Cancel()};
}

}  // namespace godwit::cli

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/app/facts.h"
#include "services/jobs/domain/derived.h"
#include "services/jobs/domain/errors.h"
#include "services/jobs/steps/steps.h"

namespace godwit::jobs {
namespace {

constexpr absl::Duration kPointTimeout = absl::Minutes(10);
constexpr absl::Duration kPoll = absl::Milliseconds(500);
// A healthy agent cuts within seconds: so long the runner stays. Longer waits are for an agent that
// is away or overloaded, and need no runner.
constexpr absl::Duration kHold = absl::Seconds(5);
constexpr absl::Duration kShortestPause = absl::Seconds(1), kLongestPause = absl::Seconds(15);
// The coordinator ends the request at its timeout; this is for one that does not.
constexpr absl::Duration kGiveUp = absl::Minutes(15);

bool Going(const PointProgress& progress) {
  return progress.state == PointProgress::State::kWaiting ||
         progress.state == PointProgress::State::kCutting;
}

class TakePoint final : public Step {
 public:
  explicit TakePoint(const Environment& environment) : environment_(environment) {}
  absl::string_view name() const override { return "take_point"; }
  StepOptions options(const Run&) const override {
    return {.retry = {.most_attempts = 4}, .timeout = kPointTimeout + absl::Minutes(1)};
  }
  std::vector<LogLine> OnBegin(const Run&) const override {
    return {{.event = Event::kSnapshotStart, .message = "taking a point"}};
  }
  std::vector<LogLine> OnFailure(const Run&, const absl::Status& error) const override {
    return {{.event = Event::kSnapshotFail, .message = std::string(error.message())}};
  }

  absl::Status Do(StepContext& context) override {
    const Run& run = context.run();
    if (!run.input.point.empty()) {
      ASSIGN_OR_RETURN(const PointInfo point, environment_.replication.GetPoint(run.input.point));
      return Use(context, point, Event::kSnapshotEnd, "using the point that was asked for");
    }
    ASSIGN_OR_RETURN(PointProgress progress, Request(context));
    ASSIGN_OR_RETURN(const absl::Duration since, SinceAsked(context));
    const absl::Duration patience = context.clock().Monotonic() + kHold - since;
    if (since > absl::ZeroDuration()) {
      // Back from a pause: one look, so that hundreds that wait cost next to nothing.
      ASSIGN_OR_RETURN(progress, environment_.replication.GetPointRequest(progress.name));
    }
    while (Going(progress)) {
      if (context.clock().Monotonic() >= patience) return GoOnLater(progress, since);
      RETURN_IF_ERROR(context.Sleep(kPoll));
      ASSIGN_OR_RETURN(progress, environment_.replication.GetPointRequest(progress.name));
    }
    if (progress.state == PointProgress::State::kSucceeded) {
      return Use(context, progress.point, Event::kSnapshotEnd, "point taken");
    }
    return Fallback(context, progress.error);
  }

 private:
  absl::StatusOr<PointProgress> Request(StepContext& context) {
    const Run& run = context.run();
    const bool quiesce =
        run.type == JobType::kCutoverLaunch && run.input.settings.quiesce_source_on_cutover;
    RETURN_IF_ERROR(context.Check());
    // A request that failed stays failed: each further one has an id of its own.
    return environment_.replication.RequestPoint(
        {.server = run.input.server,
         .request_id = DerivedUuid(absl::StrCat("point/", run.job_id, "/", run.input.server, "/",
                                                context.Get(kFactPointTry))),
         .quiesce = quiesce,
         .stay_quiesced = quiesce,
         .timeout = kPointTimeout,
         .description = absl::StrCat("jobs/", run.job_id)});
  }

  // How long ago the present try was first asked for.
  static absl::StatusOr<absl::Duration> SinceAsked(StepContext& context) {
    const auto asked = GetTime(context.run().outputs, kFactPointAsked);
    if (asked) return std::max(context.clock().Now() - *asked, absl::ZeroDuration());
    Outputs facts = context.run().outputs;
    PutTime(facts, kFactPointAsked, context.clock().Now());
    context.Set(kFactPointAsked, facts[kFactPointAsked]);
    RETURN_IF_ERROR(context.Save("a point was asked for"));
    return absl::ZeroDuration();
  }

  static absl::Status GoOnLater(const PointProgress& progress, absl::Duration since) {
    if (since > kGiveUp) {
      return absl::DeadlineExceededError(
          absl::StrCat("SNAPSHOT_FAILED: no point after ", absl::FormatDuration(since)));
    }
    return Waiting(std::clamp(since / 4, kShortestPause, kLongestPause),
                   progress.state == PointProgress::State::kWaiting
                       ? "the agent has not taken up the point yet: it is away or busy"
                       : "the agent is cutting the point");
  }

  absl::Status Use(StepContext& context, const PointInfo& point, Event event,
                   absl::string_view message) {
    Outputs facts = context.run().outputs;
    facts[kFactPoint] = point.name;
    PutTime(facts, kFactQuiesceTime, point.quiesce_time.value_or(point.cut_time));
    for (auto& [key, value] : facts) context.Set(key, value);
    context.result.message = std::string(message);
    context.result.log.push_back({.event = event,
                                  .message = std::string(message),
                                  .data = {{"point", point.name},
                                           {"cut_time", absl::FormatTime(point.cut_time)},
                                           {"consistency", point.consistency}}});
    return absl::OkStatus();
  }

  // A test may start from an older point; a cutover must not lose the newest writes.
  absl::Status Fallback(StepContext& context, const std::string& why) {
    const int attempt = static_cast<int>(GetInt(context.run().outputs, kFactPointTry)) + 1;
    context.Set(kFactPointTry, absl::StrCat(attempt));
    context.Set(kFactPointAsked, "");
    RETURN_IF_ERROR(context.Save(absl::StrCat("the point failed: ", why)));
    if (context.run().type == JobType::kTestLaunch) {
      const auto older = environment_.replication.NewestPoint(context.run().input.server);
      if (older.ok()) {
        RETURN_IF_ERROR(context.Log({.event = Event::kSnapshotFail, .message = why}));
        return Use(context, *older, Event::kUsingPreviousSnapshot,
                   absl::StrCat("the fresh point failed (", why, "): using the one before"));
      }
      if (!absl::IsNotFound(older.status())) return older.status();
    }
    return absl::UnavailableError(absl::StrCat("SNAPSHOT_FAILED: ", why));
  }

  const Environment& environment_;
};

}  // namespace

std::unique_ptr<Step> MakeTakePoint(const Environment& environment) {
  return std::make_unique<TakePoint>(environment);
}

}  // namespace godwit::jobs

#include "services/registry/domain/lifecycle.h"

#include <array>
#include <deque>
#include <vector>

#include "absl/strings/str_cat.h"

namespace godwit::registry {
namespace {

using L = Lifecycle;
using E = Event;

struct Edge {
  Lifecycle from;
  Event on;
  Lifecycle to;
  bool lenient_only = false;
};
constexpr bool kLenientOnly = true;

// The order counts for advice alone: of equally short ways the earlier edge wins, so what discards
// something comes last.
constexpr Edge kEdges[] = {
    {L::kNotReady, E::kInitialSyncDone, L::kReadyForTest},

    {L::kReadyForTest, E::kStartTest, L::kTesting},
    {L::kTesting, E::kStartTest, L::kTesting},

    {L::kTesting, E::kMarkReadyForCutover, L::kReadyForCutover},
    {L::kReadyForTest, E::kMarkReadyForCutover, L::kReadyForCutover},

    {L::kReadyForCutover, E::kStartCutover, L::kCuttingOver},
    {L::kReadyForTest, E::kStartCutover, L::kCuttingOver, kLenientOnly},
    {L::kTesting, E::kStartCutover, L::kCuttingOver, kLenientOnly},
    {L::kCuttingOver, E::kStartCutover, L::kCuttingOver, kLenientOnly},

    {L::kCuttingOver, E::kRevertCutover, L::kReadyForCutover},
    {L::kTesting, E::kRevertToReadyForTest, L::kReadyForTest},
    {L::kReadyForCutover, E::kRevertToReadyForTest, L::kReadyForTest},

    {L::kCuttingOver, E::kFinalizeCutover, L::kCutover},
    {L::kDisconnected, E::kFinalizeCutover, L::kCutover, kLenientOnly},

    {L::kStopped, E::kTerminateTargetInstances, L::kStopped},
    {L::kNotReady, E::kTerminateTargetInstances, L::kNotReady},
    {L::kReadyForTest, E::kTerminateTargetInstances, L::kReadyForTest},
    {L::kReadyForCutover, E::kTerminateTargetInstances, L::kReadyForCutover},
    {L::kDisconnected, E::kTerminateTargetInstances, L::kDisconnected},
    {L::kTesting, E::kTerminateTargetInstances, L::kTesting, kLenientOnly},
    {L::kCuttingOver, E::kTerminateTargetInstances, L::kCuttingOver, kLenientOnly},

    {L::kStopped, E::kStartReplication, L::kNotReady},
    {L::kDiscovered, E::kStartReplication, L::kNotReady},

    {L::kPendingInstallation, E::kEnroll, L::kNotReady},
    {L::kDiscovered, E::kEnroll, L::kNotReady},
    {L::kDisconnected, E::kEnroll, L::kNotReady},
    {L::kCutover, E::kEnroll, L::kNotReady},
    {L::kStopped, E::kEnroll, L::kStopped},
    {L::kNotReady, E::kEnroll, L::kNotReady},
    {L::kReadyForTest, E::kEnroll, L::kReadyForTest},
    {L::kTesting, E::kEnroll, L::kTesting},
    {L::kReadyForCutover, E::kEnroll, L::kReadyForCutover},
    {L::kCuttingOver, E::kEnroll, L::kCuttingOver},

    {L::kCutover, E::kArchive, L::kCutover},
    {L::kDisconnected, E::kArchive, L::kDisconnected},
    {L::kCutover, E::kUnarchive, L::kCutover},
    {L::kDisconnected, E::kUnarchive, L::kDisconnected},

    {L::kNotReady, E::kStopReplication, L::kStopped},
    {L::kReadyForTest, E::kStopReplication, L::kStopped},
    {L::kTesting, E::kStopReplication, L::kStopped},
    {L::kReadyForCutover, E::kStopReplication, L::kStopped},
    {L::kCuttingOver, E::kStopReplication, L::kStopped},

    {L::kPendingInstallation, E::kDisconnectFromService, L::kDisconnected},
    {L::kDiscovered, E::kDisconnectFromService, L::kDisconnected},
    {L::kStopped, E::kDisconnectFromService, L::kDisconnected},
    {L::kNotReady, E::kDisconnectFromService, L::kDisconnected},
    {L::kReadyForTest, E::kDisconnectFromService, L::kDisconnected},
    {L::kTesting, E::kDisconnectFromService, L::kDisconnected},
    {L::kReadyForCutover, E::kDisconnectFromService, L::kDisconnected},
    {L::kCuttingOver, E::kDisconnectFromService, L::kDisconnected},
    {L::kCutover, E::kDisconnectFromService, L::kCutover, kLenientOnly},

    {L::kPendingInstallation, E::kDelete, L::kPendingInstallation},
    {L::kDisconnected, E::kDelete, L::kDisconnected},
    {L::kCutover, E::kDelete, L::kCutover},
};

constexpr std::optional<Lifecycle> Find(Profile profile, Lifecycle from, Event event) {
  for (const Edge& edge : kEdges) {
    if (edge.from == from && edge.on == event &&
        (!edge.lenient_only || profile == Profile::kLenient)) {
      return edge.to;
    }
  }
  return std::nullopt;
}
static_assert(!Find(Profile::kLenient, L::kCutover, E::kStartTest));
static_assert(!Find(Profile::kStrict, L::kTesting, E::kStartCutover));
static_assert(!Find(Profile::kStrict, L::kTesting, E::kTerminateTargetInstances));
static_assert(!Find(Profile::kLenient, L::kCutover, E::kTerminateTargetInstances));

Advice AdviceOf(Event step) {
  switch (step) {
    case E::kInitialSyncDone:
      return {"", "wait until the initial sync is done"};
    case E::kEnroll:
      return {"", "install the agent on the machine"};
    default:
      return {std::string(Name(step)), absl::StrCat("call ", Name(step), " first")};
  }
}

}  // namespace

absl::string_view Name(Lifecycle state) {
  constexpr const char* kNames[] = {"LIFECYCLE_STATE_UNSPECIFIED",
                                    "PENDING_INSTALLATION",
                                    "DISCOVERED",
                                    "STOPPED",
                                    "NOT_READY",
                                    "READY_FOR_TEST",
                                    "TESTING",
                                    "READY_FOR_CUTOVER",
                                    "CUTTING_OVER",
                                    "CUTOVER",
                                    "DISCONNECTED"};
  const int index = static_cast<int>(state);
  return kNames[index >= kFirstLifecycle && index <= kLastLifecycle ? index : 0];
}

absl::string_view Name(Event event) {
  constexpr const char* kNames[] = {"ReportInitialSyncDone",
                                    "StartTest",
                                    "MarkReadyForCutover",
                                    "StartCutover",
                                    "RevertCutover",
                                    "RevertToReadyForTest",
                                    "FinalizeCutover",
                                    "TerminateTargetInstances",
                                    "StartReplication",
                                    "Enroll",
                                    "Archive",
                                    "Unarchive",
                                    "StopReplication",
                                    "DisconnectFromService",
                                    "DeleteSourceServer"};
  static_assert(sizeof kNames / sizeof kNames[0] == kEventCount);
  return kNames[static_cast<int>(event)];
}

std::optional<Lifecycle> Next(Profile profile, Lifecycle from, Event event) {
  return Find(profile, from, event);
}

Advice AdviseFor(Profile profile, Lifecycle from, Event event) {
  std::array<bool, kLastLifecycle + 1> seen{};
  struct Way {
    Lifecycle at;
    std::optional<Event> first_step;
  };
  std::deque<Way> ways = {{from, std::nullopt}};
  seen[static_cast<std::size_t>(from)] = true;
  while (!ways.empty()) {
    const Way way = ways.front();
    ways.pop_front();
    if (way.first_step && Find(profile, way.at, event)) return AdviceOf(*way.first_step);
    for (const Edge& edge : kEdges) {
      const auto to = static_cast<std::size_t>(edge.to);
      if (edge.from != way.at || seen[to] || (edge.lenient_only && profile == Profile::kStrict)) {
        continue;
      }
      seen[to] = true;
      ways.push_back({edge.to, way.first_step ? *way.first_step : edge.on});
    }
  }
  return {"", absl::StrCat("no call makes it possible from ", Name(from))};
}

std::optional<Profile> ParseProfile(absl::string_view name) {
  if (name == "strict") return Profile::kStrict;
  if (name == "lenient") return Profile::kLenient;
  return std::nullopt;
}

}  // namespace godwit::registry

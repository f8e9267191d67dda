// The life cycle of source servers: a table, no I/O. Meanings follow AWS MGN.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace godwit::registry {

// Numbers are stored and equal those of SourceServer.LifecycleState.
enum class Lifecycle {
  kPendingInstallation = 1,
  kDiscovered = 2,
  kStopped = 3,
  kNotReady = 4,
  kReadyForTest = 5,
  kTesting = 6,
  kReadyForCutover = 7,
  kCuttingOver = 8,
  kCutover = 9,
  kDisconnected = 10,
};
inline constexpr int kFirstLifecycle = 1;
inline constexpr int kLastLifecycle = 10;

// What can happen to a server.
enum class Event {
  kInitialSyncDone,
  kStartTest,
  kMarkReadyForCutover,
  kStartCutover,
  kRevertCutover,
  kRevertToReadyForTest,
  kFinalizeCutover,
  kTerminateTargetInstances,
  kStartReplication,
  kEnroll,
  kArchive,
  kUnarchive,
  kStopReplication,
  kDisconnectFromService,
  kDelete,
};
inline constexpr int kEventCount = static_cast<int>(Event::kDelete) + 1;

// Strict: the published rules. Lenient: what scripts written for MGN rely on as well.
enum class Profile { kStrict, kLenient };

// "READY_FOR_TEST".
absl::string_view Name(Lifecycle state);
// The call's name, "StartTest"; events without a call have a name too ("ReportInitialSyncDone").
absl::string_view Name(Event event);

// Where `event` leads from `from`; nullopt when it is refused there.
std::optional<Lifecycle> Next(Profile profile, Lifecycle from, Event event);

// What would make a refused event possible.
struct Advice {
  std::string helpful_call;  // name of a call, empty when no call helps
  std::string text;          // for people
};
// The first step of the shortest way to a state that takes `event`.
Advice AdviseFor(Profile profile, Lifecycle from, Event event);

// "strict" or "lenient".
std::optional<Profile> ParseProfile(absl::string_view name);

}  // namespace godwit::registry

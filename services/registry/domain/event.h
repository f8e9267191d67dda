// Events as the registry keeps them, and which of them somebody wants. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace godwit::registry {

struct EventRecord {
  std::int64_t sequence = 0;  // from 1, in the order of the commits, without gaps
  std::string id;             // UUID
  absl::Time time;
  int type = 0;                                    // number of Event.Type
  std::string resource;                            // "sourceServers/s-..."
  std::string server_id, application_id, wave_id;  // empty: none
  std::int64_t version = 0;                        // of the resource
  std::string cause, principal;
  int lifecycle = 0, launch_status = 0;
  std::string launch_job;  // "job-..."
  bool archived = false;
  std::string display_name;
};

// Empty sets choose all; an event passes that one of the three sets of ids names.
struct EventFilter {
  std::set<int> types;
  std::set<std::string> servers, applications, waves;
  bool Passes(const EventRecord& event) const;
};

// A place between two events: after the one with this number, in the events of one installation.
struct EventToken {
  std::string stream;  // UUID of the installation's events
  std::int64_t sequence = 0;
  // Of watches of servers whose reader is limited to a scope: digest of the ids of those that he
  // was told of (told_servers.h).
  std::optional<std::uint64_t> told;
};
// Opaque to callers.
std::string FormatEventToken(const EventToken& token);
// INVALID_ARGUMENT: not one that FormatEventToken made.
absl::StatusOr<EventToken> ParseEventToken(absl::string_view text);

// What a look at the events after a token found.
struct EventLook {
  std::string stream;
  std::int64_t head = 0;   // number of the newest event
  std::int64_t first = 0;  // number of the first event that was found; 0: none
};
// OUT_OF_RANGE: the events right after the token are not kept any more, or it is not of this
// stream.
absl::Status CheckEventToken(const EventToken& token, const EventLook& look);

}  // namespace godwit::registry

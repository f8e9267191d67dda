// Commands to other services that leave after the transaction that decided them. A command keeps
// its id over all attempts; the receiver recognises it. Those that share a server and a receiver
// leave in order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/pg/connection.h"
#include "services/registry/domain/source_server.h"

namespace godwit::registry::storage {

// Numbers are stored.
enum class CommandKind { kCreateJob = 1, kStartServer = 2, kEndServer = 3 };

struct Command {
  std::string id;  // UUID; request id at the receiver
  CommandKind kind = CommandKind::kCreateJob;
  std::vector<std::string> servers;  // ids
  std::string body;                  // JSON document of the request message
  int attempt_count = 0;
};

// In the transaction of the change.
absl::Status Enqueue(pg::Connection& connection, const Command& command);
// What the server was before the launch verb whose command is `command_id`; `version` is the one
// that the verb made.
absl::Status RememberForUndo(pg::Connection& connection, const std::string& command_id,
                             const SourceServer& before, std::int64_t version);

// Takes a due command, the oldest first, or the one with `id`, and keeps others from it for
// `lease`. nullopt: nothing is due, or an earlier command of one of its servers waits.
absl::StatusOr<std::optional<Command>> Claim(pg::Connection& connection, const std::string& id,
                                             absl::Duration lease);
absl::Status MarkDone(pg::Connection& connection, const std::string& id, const std::string& error);
absl::Status MarkFailed(pg::Connection& connection, const std::string& id, const std::string& error,
                        absl::Duration retry_after);

// The receiver refused a CreateJob for good: puts the servers that did not change since back to
// what they were and forgets the command and the request id it came with, so that the same request
// may be made again. Returns the number of servers.
absl::StatusOr<int> UndoLaunch(pg::Connection& connection, const std::string& command_id);

// Whether a CreateJob for the server has not left yet.
absl::StatusOr<bool> LaunchWaits(pg::Connection& connection, const std::string& server_id);

struct OutboxLoad {
  std::int64_t waiting = 0;
  absl::Duration oldest;
};
absl::StatusOr<OutboxLoad> Load(pg::Connection& connection);
// Done commands older than 7 days.
absl::Status ForgetOldCommands(pg::Connection& connection);

}  // namespace godwit::registry::storage

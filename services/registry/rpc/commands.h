// Commands that the registry gives to other services, put into the outbox in the transaction of the
// change that needs them. Each returns the command's id.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/pg/connection.h"

namespace godwit::registry {

absl::StatusOr<std::string> EnqueueStartServer(pg::Connection& connection,
                                               const std::string& server_id);

struct EndOptions {
  bool stop_only = false;
  bool keep_agent = false;
  absl::Duration undo_window = absl::ZeroDuration();
};
absl::StatusOr<std::string> EnqueueEndServer(pg::Connection& connection,
                                             const std::string& server_id,
                                             const EndOptions& options);

}  // namespace godwit::registry

// A QMP connection to one QEMU process. Connect, a few commands, done; QEMU serves one client at a
// time. Not thread-safe. Messages of QEMU are bounded and checked.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json_fwd.hpp"
#include "services/jobs/targets/qemu/line_socket.h"

namespace godwit::jobs {

// One line of QEMU taken apart.
struct QmpMessage {
  enum class Kind { kGreeting, kReturn, kError, kEvent } kind = Kind::kReturn;
  std::string json;  // the value of "return", or of "data" of an event
  std::string text;  // "class: desc" of an error, name of an event
};
// INTERNAL when the line is no QMP message.
absl::StatusOr<QmpMessage> ParseQmp(absl::string_view line);

class Qmp {
 public:
  // Connects to `socket_name` in the folder `dir` and negotiates. UNAVAILABLE: nobody listens
  // (yet). DEADLINE_EXCEEDED: QEMU did not answer within `timeout`.
  static absl::StatusOr<Qmp> Connect(const std::string& dir, const std::string& socket_name,
                                     absl::Duration timeout);

  // Runs `command` with `arguments` (a JSON object, or empty) and gives the JSON of "return".
  // FAILED_PRECONDITION carries QEMU's refusal. UNAVAILABLE: the connection ended.
  absl::StatusOr<std::string> Execute(absl::string_view command, absl::string_view arguments,
                                      absl::Duration timeout);
  // Text of a monitor command, for what QMP has no command for.
  absl::StatusOr<std::string> Monitor(absl::string_view command_line, absl::Duration timeout);
  // Process id of the QEMU that listens.
  int peer_pid() const { return socket_.peer_pid(); }

 private:
  explicit Qmp(LineSocket socket) : socket_(std::move(socket)) {}
  absl::StatusOr<QmpMessage> Next(absl::Time deadline);

  LineSocket socket_;
};

}  // namespace godwit::jobs

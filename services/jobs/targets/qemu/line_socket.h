// A Unix socket that speaks lines of JSON: QEMU's monitor and guest agents. Not thread-safe. What
// the other side sends is bounded.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/common/base/file.h"

namespace godwit::jobs {

class LineSocket {
 public:
  // Connects to `socket_name` in the folder `dir`; `what` begins its errors, "QMP". UNAVAILABLE:
  // nobody listens (yet). A line above `most_line` bytes is INTERNAL.
  static absl::StatusOr<LineSocket> Connect(const std::string& what, const std::string& dir,
                                            const std::string& socket_name, std::size_t most_line);

  // The next line without its end. UNAVAILABLE: the connection ended. DEADLINE_EXCEEDED.
  absl::StatusOr<std::string> Next(absl::Time deadline);
  absl::Status Send(absl::string_view text, absl::Time deadline);
  // Process id of who listens.
  int peer_pid() const { return peer_pid_; }

 private:
  LineSocket(std::string what, Fd socket, std::size_t most_line)
      : what_(std::move(what)), socket_(std::move(socket)), most_line_(most_line) {}
  absl::Status Await(short events, absl::Time deadline) const;

  std::string what_;
  Fd socket_;
  std::size_t most_line_;
  std::string buffer_;
  int peer_pid_ = 0;
};

}  // namespace godwit::jobs

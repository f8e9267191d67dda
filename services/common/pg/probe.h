// Whether the database can be written to now. It has a connection of its own: a busy pool is not
// taken for a dead database. One thread at a time.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "services/common/pg/connection.h"
#include "services/common/pg/database_clock.h"

namespace godwit::pg {

class Probe {
 public:
  // `clock` (may be null) learns the database's time at each look; it must outlive the probe.
  explicit Probe(std::string conninfo, DatabaseClock* clock = nullptr)
      : conninfo_(std::move(conninfo)), clock_(clock) {}
  // UNAVAILABLE: it cannot be reached, or is a standby.
  absl::Status Check();

 private:
  const std::string conninfo_;
  DatabaseClock* const clock_;
  bool host_is_off_ = false;  // and the log says so
  std::unique_ptr<Connection> connection_;
};

}  // namespace godwit::pg

// Whether the database can be written to now. It has a connection of its own: a busy pool is not
// taken for a dead database. One thread at a time.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "services/common/pg/connection.h"

namespace godwit::pg {

class Probe {
 public:
  explicit Probe(std::string conninfo) : conninfo_(std::move(conninfo)) {}
  // UNAVAILABLE: it cannot be reached, or is a standby.
  absl::Status Check();

 private:
  const std::string conninfo_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace godwit::pg

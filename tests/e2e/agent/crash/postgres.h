// A PostgreSQL server over a data folder that a test mounted, without the rights of root. It ends
// with its object and with the test, however that ends.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/support/process.h"

namespace godwit::testing {

struct PostgresPlace {
  std::string data;  // made by CreatePostgres
  std::string wal;   // folder for the log; "": in `data`
  std::string run;   // folder for socket and messages; short, made when needed
  std::string conninfo() const {
    return "host=" + run + " user=postgres dbname=postgres connect_timeout=10";
  }
  // One of the server's programs, to be run as its user.
  std::vector<std::string> Command(const std::string& program) const;
};

absl::Status CreatePostgres(const PostgresPlace& place);

// Not thread-safe.
class Postgres {
 public:
  // `settings`: "name=value" each. Returns when it takes connections; INTERNAL with its messages
  // when it ended before, DEADLINE_EXCEEDED after `patience`.
  static absl::StatusOr<Postgres> Start(const PostgresPlace& place,
                                        const std::vector<std::string>& settings,
                                        absl::Duration patience);
  // Ends at once, as a crash of the server does; the next start recovers.
  absl::Status Stop();

 private:
  explicit Postgres(Process process) : process_(std::move(process)) {}
  Process process_;
};

}  // namespace godwit::testing

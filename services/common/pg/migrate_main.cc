// godwit-migrate: creates the database schemas of all services or brings them up to date. Safe to
// run again at any time.
#include <cstdio>

#include "services/common/base/flags.h"
#include "services/common/pg/migrate.h"

int main(int argc, char** argv) {
  std::string database;
  godwit::Flags flags("godwit-migrate",
                      "Creates the database schemas of all services or brings them up to date.");
  flags.String("database", &database,
               "libpq connection string, for example \"host=db dbname=godwit\"");
  if (const auto rest = flags.Parse(argc, argv); !rest.ok()) {
    if (absl::IsCancelled(rest.status())) return 0;
    std::fprintf(stderr, "godwit-migrate: %s\n", std::string(rest.status().message()).c_str());
    return 2;
  }
  const auto run = [&]() -> absl::Status {
    auto connection = godwit::pg::Connection::Open(
        database, {.statement = absl::Minutes(30), .lock = absl::Minutes(30)});
    if (!connection.ok()) return connection.status();
    const auto applied = godwit::pg::Migrate(**connection);
    if (!applied.ok()) return applied.status();
    for (const std::string& name : *applied) std::printf("applied %s\n", name.c_str());
    if (applied->empty()) std::printf("the database is up to date\n");
    return absl::OkStatus();
  };
  if (const absl::Status status = run(); !status.ok()) {
    std::fprintf(stderr, "godwit-migrate: %s\n", std::string(status.message()).c_str());
    return 1;
  }
  return 0;
}

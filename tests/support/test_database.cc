#include "tests/support/test_database.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::testing {
namespace {

absl::Status Run(const std::vector<std::string>& command, const std::string& log) {
  ASSIGN_OR_RETURN(Process process, Process::Start({.command = command, .log = log}));
  ASSIGN_OR_RETURN(const int status, process.Wait(absl::Seconds(60)));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(command[0], " failed:\n", process.Log()));
}

std::string Script() {
  return (std::filesystem::path(GODWIT_SOURCE_DIR) / "deploy/dev/pg_cluster.sh").string();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TestDatabase>> TestDatabase::Start() {
  std::unique_ptr<TestDatabase> database(new TestDatabase());
  chmod(database->dir_.path().c_str(), 0755);  // the server's user passes through
  RETURN_IF_ERROR(database->Restart());
  ASSIGN_OR_RETURN(const std::string conninfo, ReadFile(database->dir_ / "pg/conninfo"));
  database->conninfo_ = std::string(absl::StripAsciiWhitespace(conninfo));
  RETURN_IF_ERROR(Run({Program("godwit-migrate"), absl::StrCat("--database=", database->conninfo_)},
                      database->dir_ / "migrate.log"));
  return database;
}

TestDatabase::~TestDatabase() {
  Run({Script(), "destroy", dir_ / "pg"}, dir_ / "destroy.log").IgnoreError();
}

absl::Status TestDatabase::Stop() {
  return Run({Script(), "stop", dir_ / "pg", "immediate"}, dir_ / "stop.log");
}

absl::Status TestDatabase::Restart() {
  return Run({Script(), "start", dir_ / "pg"}, dir_ / "start.log");
}

}  // namespace godwit::testing

#include "tests/e2e/agent/crash/postgres.h"

#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::testing {
namespace fs = std::filesystem;

namespace {

constexpr char kUser[] = "postgres";
constexpr absl::Duration kPoll = absl::Milliseconds(5);
constexpr absl::Duration kStopPatience = absl::Seconds(20);

// The newest version that is installed.
absl::StatusOr<std::string> ProgramFolder() {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& version : fs::directory_iterator("/usr/lib/postgresql", error)) {
    const fs::path folder = version.path() / "bin";
    if (fs::exists(folder / "postgres", error)) found.push_back(folder);
  }
  if (found.empty()) return absl::NotFoundError("PostgreSQL is not installed");
  return *std::max_element(found.begin(), found.end());
}

absl::Status MakeOwned(const std::string& folder) {
  RETURN_IF_ERROR(MakeDirs(folder, 0700));
  const passwd* const user = getpwnam(kUser);
  if (user == nullptr) return absl::NotFoundError(absl::StrCat("user ", kUser));
  if (chown(folder.c_str(), user->pw_uid, user->pw_gid) != 0) return ErrnoStatus(folder);
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> PostgresPlace::Command(const std::string& program) const {
  return {"/usr/bin/env",
          "-C",
          "/",
          "LC_ALL=C.UTF-8",
          "/usr/bin/setpriv",
          absl::StrCat("--reuid=", kUser),
          absl::StrCat("--regid=", kUser),
          "--clear-groups",
          "--pdeathsig=KILL",
          "--",
          ProgramFolder().value_or("") + "/" + program};
}

absl::Status CreatePostgres(const PostgresPlace& place) {
  RETURN_IF_ERROR(ProgramFolder().status());
  RETURN_IF_ERROR(MakeOwned(place.data));
  std::vector<std::string> command = place.Command("initdb");
  // Small segments of the log: they are switched and recycled often.
  for (const char* const option : {"-U", kUser, "--auth=trust", "--no-sync", "--data-checksums",
                                   "--wal-segsize=1", "--encoding=UTF8", "--locale=C.UTF-8", "-D"})
    command.push_back(option);
  command.push_back(place.data);
  if (!place.wal.empty()) {
    RETURN_IF_ERROR(MakeOwned(place.wal));
    command.push_back(absl::StrCat("--waldir=", place.wal));
  }
  RETURN_IF_ERROR(MakeOwned(place.run));
  ASSIGN_OR_RETURN(Process initdb,
                   Process::Start({.command = command, .log = place.run + "/initdb"}));
  ASSIGN_OR_RETURN(const int status, initdb.Wait(absl::Seconds(60)));
  if (status != 0) return absl::InternalError(initdb.Log());
  if (place.wal.empty()) return absl::OkStatus();
  // Relative, so that copies of the disks find each other wherever they are mounted.
  const std::string link = place.data + "/pg_wal";
  std::error_code error;
  fs::remove(link, error);
  fs::create_symlink(fs::path(place.wal).lexically_relative(place.data), link, error);
  return error ? absl::InternalError(error.message()) : absl::OkStatus();
}

absl::StatusOr<Postgres> Postgres::Start(const PostgresPlace& place,
                                         const std::vector<std::string>& settings,
                                         absl::Duration patience) {
  RETURN_IF_ERROR(MakeOwned(place.run));
  std::vector<std::string> command = place.Command("postgres");
  command.insert(command.end(), {"-D", place.data, "-c", "listen_addresses=", "-c",
                                 absl::StrCat("unix_socket_directories=", place.run)});
  for (const std::string& setting : settings) command.insert(command.end(), {"-c", setting});
  ASSIGN_OR_RETURN(Process process,
                   Process::Start({.command = command, .log = place.run + "/messages"}));
  for (const absl::Time end = absl::Now() + patience; absl::Now() < end; absl::SleepFor(kPoll)) {
    if (PQping(place.conninfo().c_str()) == PQPING_OK) return Postgres(std::move(process));
    if (!process.Running()) return absl::InternalError(process.Log());
  }
  Postgres late(std::move(process));
  const std::string log = late.process_.Log();
  late.Stop().IgnoreError();
  return absl::DeadlineExceededError(
      absl::StrCat("no connections after ", absl::FormatDuration(patience), ":\n", log));
}

absl::Status Postgres::Stop() {
  // Its children end before it does.
  process_.Signal(SIGQUIT);
  const absl::Status ended = process_.Wait(kStopPatience).status();
  process_.Signal(SIGKILL);
  return ended;
}

}  // namespace godwit::testing

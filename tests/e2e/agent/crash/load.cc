#include "tests/e2e/agent/crash/load.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/pg/connection.h"

namespace godwit::testing {
namespace {

constexpr pg::Statement kInsert{"commit", "INSERT INTO commits VALUES ($1::bigint, $2)"};
// The machine belongs to the agent, the worker and the database, too.
constexpr int kTransactionsPerSecond = 300;
constexpr int kPassing = 50, kPassingFiles = 20;
constexpr absl::Duration kPause = absl::Milliseconds(1);

absl::Status WriteSynced(const std::string& path, const std::string& content) {
  const Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file.valid() ||
      write(file.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size()) ||
      fsync(file.get()) != 0)
    return ErrnoStatus(path);
  return absl::OkStatus();
}

// Folders that come and go without anybody's promise: work for the journal.
absl::Status Pass(const std::string& folder) {
  std::error_code error;
  if (std::filesystem::remove_all(folder, error) > 0) return absl::OkStatus();
  RETURN_IF_ERROR(MakeDirs(folder));
  for (int i = 0; i < kPassingFiles; ++i) {
    const Fd file(open(absl::StrCat(folder, "/a rather long name of file ", i).c_str(),
                       O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    if (!file.valid() || write(file.get(), folder.data(), folder.size()) < 0)
      return ErrnoStatus(folder);
  }
  return absl::OkStatus();
}

}  // namespace

void Ledger::Add(const Promise& promise) {
  absl::MutexLock lock(&mutex_);
  promises_.push_back(promise);
}

std::int64_t Ledger::NewestBefore(absl::Time Promise::*moment, absl::Time time) const {
  absl::MutexLock lock(&mutex_);
  std::int64_t newest = 0;
  for (const Promise& promise : promises_) {
    if (promise.*moment < time) newest = std::max(newest, promise.number);
  }
  return newest;
}

Load::Load(PostgresPlace place, std::string files)
    : place_(std::move(place)), folder_(std::move(files)) {}

std::string Load::FileName(int index) { return absl::StrCat("file", index); }

std::string Load::FileContent(int index, std::int64_t version) {
  std::mt19937 random(static_cast<unsigned>(version * kFiles + index));
  const std::string word = absl::StrCat(index, ":", version, ":", random(), "\n");
  std::string content;
  for (std::size_t words = 1 + random() % 3000; words > 0; --words) content += word;
  return content;
}

absl::Status Load::RunPgbench(const std::vector<std::string>& options, absl::Duration patience) {
  std::vector<std::string> command = place_.Command("pgbench");
  command.insert(command.end(), {"-h", place_.run, "-U", "postgres"});
  command.insert(command.end(), options.begin(), options.end());
  command.push_back("postgres");
  ASSIGN_OR_RETURN(pgbench_, Process::Start({.command = command, .log = place_.run + "/pgbench"}));
  if (patience == absl::ZeroDuration()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const int status, pgbench_.Wait(patience));
  return status == 0 ? absl::OkStatus() : absl::InternalError(pgbench_.Log());
}

absl::Status Load::Prepare() {
  RETURN_IF_ERROR(RunPgbench({"--initialize", "--scale=1", "--quiet"}, absl::Seconds(60)));
  ASSIGN_OR_RETURN(const auto connection, pg::Connection::Open(place_.conninfo()));
  return connection->Run(
      "CREATE TABLE commits (n bigint PRIMARY KEY, filler text NOT NULL);"
      "CREATE EXTENSION amcheck");
}

absl::Status Load::Start(unsigned seed) {
  RETURN_IF_ERROR(
      RunPgbench({"--client=3", "--time=600", "--no-vacuum", absl::StrCat("--random-seed=", seed),
                  absl::StrCat("--rate=", kTransactionsPerSecond)},
                 absl::ZeroDuration()));
  threads_.emplace_back([this] { Note(Commit()); });
  threads_.emplace_back([this, seed] { Note(ReplaceFiles(seed)); });
  return absl::OkStatus();
}

void Load::Note(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  error_.Update(status);
}

absl::Status Load::Stop() {
  if (threads_.empty()) return absl::OkStatus();
  if (!pgbench_.Running()) Note(absl::InternalError(pgbench_.Log()));
  pgbench_.Signal(SIGKILL);
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  absl::MutexLock lock(&mutex_);
  return error_;
}

absl::Status Load::Commit() {
  ASSIGN_OR_RETURN(const auto connection, pg::Connection::Open(place_.conninfo()));
  const std::string filler(200, 'x');
  for (std::int64_t n = 1; !stopping_; ++n) {
    const absl::Time begun = absl::Now();
    RETURN_IF_ERROR(connection->Exec(kInsert, {absl::StrCat(n), filler}).status());
    commits_.Add({.number = n, .begun = begun, .acknowledged = absl::Now()});
    absl::SleepFor(kPause);
  }
  return absl::OkStatus();
}

absl::Status Load::ReplaceFiles(unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::int64_t> versions(kFiles);
  const Fd folder(open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return ErrnoStatus(folder_);
  for (int step = 0; !stopping_; ++step) {
    const int index = static_cast<int>(random() % kFiles);
    const std::int64_t version = ++versions[static_cast<std::size_t>(index)];
    const std::string path = absl::StrCat(folder_, "/", FileName(index));
    const std::string next = path + ".next";
    const absl::Time begun = absl::Now();
    RETURN_IF_ERROR(WriteSynced(next, FileContent(index, version)));
    if (rename(next.c_str(), path.c_str()) != 0 || fsync(folder.get()) != 0)
      return ErrnoStatus(path);
    files_ledgers_[static_cast<std::size_t>(index)].Add(
        {.number = version, .begun = begun, .acknowledged = absl::Now()});
    RETURN_IF_ERROR(Pass(absl::StrCat(folder_, "/passing", random() % kPassing)));
    // What the journal has goes to its place all the time.
    if (step % 8 == 0 && syncfs(folder.get()) != 0) return ErrnoStatus(folder_);
    absl::SleepFor(kPause);
  }
  return absl::OkStatus();
}

}  // namespace godwit::testing

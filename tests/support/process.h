// A real program under test: started with its log in a file, waited for, paused, killed. What a
// test starts never outlives it.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace godwit::testing {

// Path of a program of this build: <build>/bin/<name>.
std::string Program(absl::string_view name);

// Not thread-safe.
class Process {
 public:
  struct Options {
    std::vector<std::string> command;  // program and arguments
    std::string log;                   // file for standard output and error, appended
    std::map<std::string, std::string>
        environment;  // besides the present one; "" removes a variable
  };
  static absl::StatusOr<Process> Start(Options options);

  Process() = default;
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  ~Process();  // kills and reaps

  pid_t pid() const { return pid_; }
  bool Running();
  // Sends a signal; SIGKILL also reaps.
  void Signal(int signal);
  // SIGTERM, then the wait status (as waitpid's); DEADLINE_EXCEEDED after `patience` (it is then
  // killed).
  absl::StatusOr<int> Terminate(absl::Duration patience = absl::Seconds(20));
  // Waits for the end; the wait status.
  absl::StatusOr<int> Wait(absl::Duration patience);

  // What it logged since this start.
  std::string Log() const;
  // The value of `field` in the first JSON log line since this start whose msg is `message`. Fails
  // early when the process ended.
  absl::StatusOr<std::string> WaitForLog(absl::string_view message, absl::string_view field,
                                         absl::Duration patience = absl::Seconds(30));
  // The port of "serving".
  absl::StatusOr<int> WaitForPort(absl::Duration patience = absl::Seconds(30));

 private:
  pid_t pid_ = -1;
  int wait_status_ = 0;
  bool ended_ = false;
  std::string log_;
  std::size_t log_start_ = 0;
};

// A new empty folder under the test's temporary folder, removed at the end.
class TempDir {
 public:
  // In the system's folder for temporary files.
  TempDir();
  explicit TempDir(const std::string& parent);
  ~TempDir();
  TempDir(const TempDir&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(absl::string_view name) const;

 private:
  std::string path_;
};

}  // namespace godwit::testing

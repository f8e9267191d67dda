#include "agent/engine/hooks.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {
namespace {

constexpr std::size_t kShownOutput = 400;

absl::Status RunHook(const std::string& path, absl::Duration limit) {
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return ErrnoStatus("pipe");
  const Fd read_end(pipe_fds[0]);
  Fd write_end(pipe_fds[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, write_end.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, write_end.get(), 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  char* const arguments[] = {const_cast<char*>(path.c_str()), nullptr};
  char path_variable[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  char* const environment[] = {path_variable, nullptr};
  pid_t child = -1;
  const int failed =
      posix_spawn(&child, path.c_str(), &actions, &attributes, arguments, environment);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  write_end.Reset();
  if (failed != 0) {
    errno = failed;
    return ErrnoStatus(path);
  }
  std::string output;
  const absl::Time end = SteadyNow() + limit;
  int status = 0;
  bool expired = false;
  while (true) {
    if (waitpid(child, &status, WNOHANG) == child) break;
    if (SteadyNow() > end) {
      expired = true;
      kill(-child, SIGKILL);
      waitpid(child, &status, 0);
      break;
    }
    pollfd wait{.fd = read_end.get(), .events = POLLIN, .revents = 0};
    if (poll(&wait, 1, 50) > 0) {
      char buffer[4096];
      const ssize_t got = read(read_end.get(), buffer, sizeof buffer);
      if (got > 0) output.append(buffer, static_cast<std::size_t>(got));
      if (got == 0) usleep(10000);
      if (output.size() > 65536) output.erase(0, output.size() - kShownOutput);
    }
  }
  // What it printed last, without waiting for children that kept the pipe.
  fcntl(read_end.get(), F_SETFL, O_NONBLOCK);
  char buffer[4096];
  for (ssize_t got; (got = read(read_end.get(), buffer, sizeof buffer)) > 0;) {
    output.append(buffer, static_cast<std::size_t>(got));
  }
  if (!expired && WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  if (output.size() > kShownOutput) output.erase(0, output.size() - kShownOutput);
  return absl::FailedPreconditionError(absl::StrCat(
      "hook ", path,
      expired ? absl::StrCat(" did not end within ", absl::FormatDuration(limit))
              : absl::StrCat(" failed with status ",
                             WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)),
      ": ", absl::StripAsciiWhitespace(output)));
}

}  // namespace

absl::Status RunHooks(const std::string& folder, absl::Duration limit) {
  std::vector<std::string> hooks;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.is_regular_file(error) && access(entry.path().c_str(), X_OK) == 0) {
      hooks.push_back(entry.path().string());
    }
  }
  std::sort(hooks.begin(), hooks.end());
  for (const std::string& hook : hooks) {
    const absl::Time from = SteadyNow();
    RETURN_IF_ERROR(RunHook(hook, limit));
    Log(Severity::kInfo, "hook done",
        {{"hook", hook}, {"took", absl::FormatDuration(SteadyNow() - from)}});
  }
  return absl::OkStatus();
}

}  // namespace godwit::agent

#include "services/common/base/command.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/common/base/file.h"

namespace godwit {
namespace {

constexpr std::size_t kMostOutput = 64 << 10;
constexpr absl::Duration kSlice = absl::Milliseconds(200);

// Called between fork and exec: async-signal-safe calls only.
void ResetSignals() {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  for (const int signal : {SIGPIPE, SIGTERM, SIGINT, SIGHUP, SIGCHLD}) {
    sigaction(signal, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

void KeepOnly(const int* fds, std::size_t count) {
  close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
  for (std::size_t i = 0; i < count; ++i) {
    if (fds[i] >= 0) fcntl(fds[i], F_SETFD, 0);
  }
}

}  // namespace

std::vector<char*> ArgumentPointers(const std::vector<std::string>& argv) {
  std::vector<char*> out;
  for (const std::string& argument : argv) out.push_back(const_cast<char*>(argument.c_str()));
  out.push_back(nullptr);
  return out;
}

void ExecChild(char* const* arguments, int output, const int* kept, std::size_t count) {
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, 0);
  dup2(output, 1);
  dup2(output, 2);
  KeepOnly(kept, count);
  ResetSignals();
  execvp(arguments[0], arguments);
  _exit(127);
}

absl::StatusOr<CommandResult> RunCommand(const std::vector<std::string>& argv,
                                         absl::Duration timeout,
                                         const std::function<absl::Status()>& check,
                                         int inherited_fd,
                                         const std::function<void(absl::string_view)>& on_output) {
  const absl::Time deadline = SteadyNow() + timeout;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus("pipe");
  Fd read_end(ends[0]), write_end(ends[1]);
  std::vector<char*> pointers = ArgumentPointers(argv);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return ErrnoStatus("fork");
  if (pid == 0) {
    // A helper that outlived us would go on writing where our successor begins anew.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(126);
    ExecChild(pointers.data(), write_end.get(), &inherited_fd, 1);
  }
  write_end.Reset();
  CommandResult result;
  absl::Status stopped;
  while (true) {
    if (check != nullptr) stopped = check();
    if (stopped.ok() && SteadyNow() >= deadline) {
      stopped = absl::DeadlineExceededError(absl::StrCat(argv[0], " took too long"));
    }
    if (!stopped.ok()) {
      kill(pid, SIGKILL);
      break;
    }
    const absl::Duration wait = std::min(deadline - SteadyNow(), kSlice);
    pollfd entry{.fd = read_end.get(), .events = POLLIN, .revents = 0};
    if (poll(&entry, 1, static_cast<int>(absl::ToInt64Milliseconds(wait)) + 1) <= 0) continue;
    char part[4096];
    const ssize_t got = read(read_end.get(), part, sizeof(part));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    const auto size = static_cast<std::size_t>(got);
    if (on_output != nullptr) on_output({part, size});
    if (result.output.size() < kMostOutput) result.output.append(part, size);
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!stopped.ok()) return stopped;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (result.exit_code == 127) return absl::NotFoundError(absl::StrCat("cannot run ", argv[0]));
  return result;
}

}  // namespace godwit

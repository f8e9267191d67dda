#include "services/conversion/converter/run_bounded.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"

namespace godwit::convert {
namespace {

constexpr std::size_t kPipeBytes = 64 << 10;

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

void WriteFirst(const char* path, const char* text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (write(fd, text, strlen(text)) < 0) {
  }
  close(fd);
}

}  // namespace

absl::StatusOr<BoundedRun> RunBounded(const std::vector<std::string>& command,
                                      const std::vector<std::string>& environment,
                                      const std::string& input, const RunLimits& limits) {
  if (input.size() >= kPipeBytes) return absl::InvalidArgumentError("too much input");
  std::vector<std::string> words = command, settings = environment;
  const std::vector<char*> argv = Pointers(words), envp = Pointers(settings);
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0) return ErrnoStatus("pipe");
  Fd in_read(in[0]), in_write(in[1]);
  if (pipe2(out, O_CLOEXEC) != 0) return ErrnoStatus("pipe");
  Fd out_read(out[0]), out_write(out[1]);
  // It fits into the pipe: no deadlock.
  if (!input.empty() && write(in_write.get(), input.data(), input.size()) < 0)
    return ErrnoStatus("pipe");
  const absl::Time start = absl::Now();
  const unsigned long flags =
      SIGCHLD | (limits.isolated ? static_cast<unsigned long>(CLONE_NEWPID | CLONE_NEWNS) : 0ul);
  const auto child = static_cast<pid_t>(syscall(SYS_clone, flags, nullptr, nullptr, nullptr, 0));
  if (child < 0) return ErrnoStatus("clone");
  if (child == 0) {
    setsid();
    dup2(in_read.get(), 0);
    dup2(out_write.get(), 1);
    dup2(out_write.get(), 2);
    if (limits.isolated) {
      // Mounts that it makes are its own.
      mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
      WriteFirst("/proc/self/oom_score_adj", "1000");
      WriteFirst("/sys/fs/cgroup/scripts/cgroup.procs", "0");
    }
    if (!limits.root.empty() && (chroot(limits.root.c_str()) != 0 || chdir("/") != 0)) _exit(126);
    execvpe(argv[0], argv.data(), envp.data());
    _exit(127);
  }
  in_read.Reset();
  in_write.Reset();
  out_write.Reset();
  BoundedRun run;
  int status = 0;
  bool ended = false;
  while (!ended) {
    const absl::Duration left = limits.timeout - (absl::Now() - start);
    if (left <= absl::ZeroDuration()) {
      run.timed_out = true;
      kill(-child, SIGKILL);
      kill(child, SIGKILL);  // in its own namespace this ends all of it
      while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
      }
      break;
    }
    pollfd waiting{.fd = out_read.get(), .events = POLLIN};
    const int ready = poll(&waiting, 1, 50);
    char buffer[16384];
    if (ready > 0) {
      const ssize_t got = read(out_read.get(), buffer, sizeof buffer);
      if (got > 0 && run.output.size() < limits.max_output) {
        run.output.append(
            buffer, std::min(static_cast<std::size_t>(got), limits.max_output - run.output.size()));
      }
      if (got > 0) continue;
      absl::SleepFor(absl::Milliseconds(5));  // closed, and perhaps not ended
    }
    ended = waitpid(child, &status, WNOHANG) == child;
    if (ended) kill(-child, SIGKILL);
  }
  run.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  run.took = absl::Now() - start;
  return run;
}

absl::Status RunTo(const std::string& name, const std::vector<std::string>& command,
                   const std::string& input) {
  absl::StatusOr<BoundedRun> run =
      RunBounded(command, {"PATH=/bin:/sbin:/usr/bin:/usr/sbin", "LC_ALL=C"}, input, {});
  if (!run.ok()) return run.status();
  if (run->exit_code == 0) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat(name, " ended with ", run->exit_code, ": ", run->output.substr(0, 500)));
}

}  // namespace godwit::convert

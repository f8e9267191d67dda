#include "services/conversion/converter/run_bounded.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/common/base/file.h"

namespace godwit::convert {
namespace {

constexpr std::size_t kPipeBytes = 64 << 10, kReadBytes = 16 << 10;

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Takes what is there; false at the end of the stream.
bool Take(int fd, std::size_t limit, BoundedRun* run) {
  char buffer[kReadBytes];
  const ssize_t got = read(fd, buffer, sizeof buffer);
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  const std::size_t room = limit - run->output.size();
  run->too_much = run->too_much || static_cast<std::size_t>(got) > room;
  run->output.append(buffer, std::min(static_cast<std::size_t>(got), room));
  return got > 0;
}

bool Readable(int fd, int milliseconds) {
  pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&waiting, 1, milliseconds) > 0;
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
  const absl::Time start = SteadyNow();
  const unsigned long flags =
      SIGCHLD | (limits.isolated ? static_cast<unsigned long>(CLONE_NEWPID | CLONE_NEWNS) : 0ul);
  const auto child = static_cast<pid_t>(syscall(SYS_clone, flags, nullptr, nullptr, nullptr, 0));
  if (child < 0) return ErrnoStatus("clone");
  if (child == 0) {
    setsid();
    dup2(in_read.get(), 0);
    if (limits.keep != RunLimits::Keep::kNothing) dup2(out_write.get(), 1);
    if (limits.keep == RunLimits::Keep::kAll) dup2(out_write.get(), 2);
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
    run.timed_out = SteadyNow() - start >= limits.timeout;
    if (run.timed_out || (limits.end_when_too_much && run.too_much)) {
      kill(-child, SIGKILL);
      kill(child, SIGKILL);  // in its own namespace this ends all of it
      while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
      }
      break;
    }
    if (Readable(out_read.get(), 50)) {
      if (Take(out_read.get(), limits.max_output, &run)) continue;
      absl::SleepFor(absl::Milliseconds(5));  // closed, and perhaps not ended
    }
    ended = waitpid(child, &status, WNOHANG) == child;
  }
  if (ended) {
    if (!limits.keep_background) kill(-child, SIGKILL);
    // What it printed last. Who left its group and holds the pipe gets no more than a pipe's worth.
    for (std::size_t i = 0; i < kPipeBytes / kReadBytes && Readable(out_read.get(), 0); ++i) {
      if (!Take(out_read.get(), limits.max_output, &run)) break;
    }
  }
  run.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  run.took = SteadyNow() - start;
  return run;
}

}  // namespace godwit::convert

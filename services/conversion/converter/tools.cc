#include "services/conversion/converter/tools.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::convert {
namespace {

constexpr std::size_t kMaxOutput = 1 << 20;

struct Pipe {
  Fd read, write;
};
absl::StatusOr<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus("pipe");
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

// Takes what is there; false at the end of the stream or when it is too much.
bool Drain(int fd, std::string* output) {
  char bytes[16384];
  const ssize_t got = read(fd, bytes, sizeof bytes);
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  output->append(bytes, static_cast<std::size_t>(got));
  return got > 0 && output->size() <= kMaxOutput;
}

}  // namespace

absl::StatusOr<ToolResult> RunTool(const std::vector<std::string>& command,
                                   const ToolOptions& options) {
  if (options.input.size() > 65536) return absl::InvalidArgumentError("more input than a pipe has");
  std::vector<std::string> words = command;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ASSIGN_OR_RETURN(Pipe in, MakePipe());
  ASSIGN_OR_RETURN(Pipe out, MakePipe());
  // It fits into the pipe, so nobody waits.
  if (write(in.write.get(), options.input.data(), options.input.size()) !=
      static_cast<ssize_t>(options.input.size())) {
    return ErrnoStatus(command[0]);
  }
  in.write = Fd();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.read.get(), 0);
  if (options.capture) posix_spawn_file_actions_adddup2(&actions, out.write.get(), 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t child = -1;
  const int failed = posix_spawnp(&child, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    errno = failed;
    return ErrnoStatus(command[0]);
  }
  out.write = Fd();
  ToolResult result;
  const absl::Time end = absl::Now() + options.patience;
  bool open = options.capture, late = false;
  int status = 0;
  while (true) {
    if (open) {
      pollfd poll_fd{.fd = out.read.get(), .events = POLLIN, .revents = 0};
      if (poll(&poll_fd, 1, 20) > 0) open = Drain(out.read.get(), &result.output);
    }
    const pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended == child || (ended < 0 && errno != EINTR)) break;
    late = absl::Now() > end;
    if (late || result.output.size() > kMaxOutput) {
      kill(-child, SIGKILL);
      waitpid(child, &status, 0);
      break;
    }
    if (!open) absl::SleepFor(absl::Milliseconds(5));
  }
  for (; open && result.output.size() <= kMaxOutput;) open = Drain(out.read.get(), &result.output);
  if (late) {
    return absl::DeadlineExceededError(
        absl::StrCat(command[0], " did not end within ", absl::FormatDuration(options.patience)));
  }
  if (result.output.size() > kMaxOutput)
    return absl::ResourceExhaustedError(command[0] + " prints more than 1 MiB");
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

absl::StatusOr<int> RunTool(const std::vector<std::string>& command) {
  ASSIGN_OR_RETURN(const ToolResult result, RunTool(command, ToolOptions{}));
  return result.code;
}

}  // namespace godwit::convert

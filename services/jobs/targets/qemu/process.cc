#include "services/jobs/targets/qemu/process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::jobs {
namespace {

constexpr std::size_t kMostOutput = 64 << 10;
constexpr absl::Duration kSlice = absl::Milliseconds(200);

std::vector<char*> Pointers(const std::vector<std::string>& argv) {
  std::vector<char*> out;
  for (const std::string& argument : argv) out.push_back(const_cast<char*>(argument.c_str()));
  out.push_back(nullptr);
  return out;
}

// The rest is called between fork and exec: async-signal-safe calls only.
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

void WritePid(const char* path) {
  char digits[16];
  int at = sizeof(digits);
  for (int pid = getpid(); pid > 0 && at > 0; pid /= 10) {
    digits[--at] = static_cast<char>('0' + pid % 10);
  }
  const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, digits + at, sizeof(digits) - at) < 0) _exit(126);
  close(fd);
}

void KeepOnly(const int* fds, std::size_t count) {
  close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
  for (std::size_t i = 0; i < count; ++i) {
    if (fds[i] >= 0) fcntl(fds[i], F_SETFD, 0);
  }
}

struct ProcessStat {
  int parent = 0;
  bool ended = false;            // a zombie
  std::uint64_t start_time = 0;  // clock ticks since boot
};

// NOT_FOUND: no such process.
absl::StatusOr<ProcessStat> ReadStat(int pid) {
  const auto text = ReadFile(absl::StrCat("/proc/", pid, "/stat"), 4096);
  if (!text.ok()) return absl::NotFoundError(absl::StrCat("no process ", pid));
  // Fields after the command, which is in parentheses and may hold anything.
  const std::size_t close = text->rfind(") ");
  if (close == std::string::npos) return absl::InternalError("malformed /proc/PID/stat");
  const std::vector<std::string> fields = absl::StrSplit(text->substr(close + 2), ' ');
  ProcessStat stat;
  if (fields.size() < 20 || !absl::SimpleAtoi(fields[1], &stat.parent) ||
      !absl::SimpleAtoi(fields[19], &stat.start_time)) {
    return absl::InternalError("malformed /proc/PID/stat");
  }
  stat.ended = fields[0] == "Z" || fields[0] == "X";
  return stat;
}

}  // namespace

absl::StatusOr<CommandResult> RunCommand(const std::vector<std::string>& argv,
                                         absl::Duration timeout,
                                         const std::function<absl::Status()>& check,
                                         int inherited_fd) {
  const absl::Time deadline = absl::Now() + timeout;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus("pipe");
  Fd read_end(ends[0]), write_end(ends[1]);
  std::vector<char*> pointers = Pointers(argv);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return ErrnoStatus("fork");
  if (pid == 0) {
    // A helper that outlived us would go on writing where our successor begins anew.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(126);
    const int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(write_end.get(), 1);
    dup2(write_end.get(), 2);
    KeepOnly(&inherited_fd, 1);
    ResetSignals();
    execvp(pointers[0], pointers.data());
    _exit(127);
  }
  write_end.Reset();
  CommandResult result;
  absl::Status stopped;
  while (true) {
    if (check != nullptr) stopped = check();
    if (stopped.ok() && absl::Now() >= deadline) {
      stopped = absl::DeadlineExceededError(absl::StrCat(argv[0], " took too long"));
    }
    if (!stopped.ok()) {
      kill(pid, SIGKILL);
      break;
    }
    const absl::Duration wait = std::min(deadline - absl::Now(), kSlice);
    pollfd entry{.fd = read_end.get(), .events = POLLIN, .revents = 0};
    if (poll(&entry, 1, static_cast<int>(absl::ToInt64Milliseconds(wait)) + 1) <= 0) continue;
    char part[4096];
    const ssize_t got = read(read_end.get(), part, sizeof(part));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    if (result.output.size() < kMostOutput) result.output.append(part, static_cast<size_t>(got));
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  RETURN_IF_ERROR(stopped);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (result.exit_code == 127) return absl::NotFoundError(absl::StrCat("cannot run ", argv[0]));
  return result;
}

absl::StatusOr<Spawned> SpawnDetached(const DetachedOptions& options) {
  const Fd log(open(options.log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log.valid()) return ErrnoStatus(options.log_path);
  std::vector<char*> pointers = Pointers(options.argv);
  const pid_t pid = fork();
  if (pid < 0) return ErrnoStatus("fork");
  if (pid == 0) {
    setsid();
    WritePid(options.pid_path.c_str());
    if (chdir(options.work_dir.c_str()) != 0) _exit(126);
    const int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(log.get(), 1);
    dup2(log.get(), 2);
    KeepOnly(options.inherited_fds.data(), options.inherited_fds.size());
    ResetSignals();
    execvp(pointers[0], pointers.data());
    _exit(127);
  }
  // Also of one that has ended already: nobody else reaps it.
  ASSIGN_OR_RETURN(const ProcessStat stat, ReadStat(pid));
  return Spawned{.pid = pid, .start_time = stat.start_time};
}

absl::StatusOr<std::uint64_t> ProcessStartTime(int pid) {
  ASSIGN_OR_RETURN(const ProcessStat stat, ReadStat(pid));
  if (stat.ended) return absl::NotFoundError(absl::StrCat("process ", pid, " has ended"));
  return stat.start_time;
}

bool ProcessAlive(int pid, std::uint64_t start_time) {
  if (pid <= 1) return false;
  const auto stat = ReadStat(pid);
  if (!stat.ok() || stat->start_time != start_time) return false;
  // Only what was seen to be a dead child of ours is waited for: the number may be that of another
  // child by now, for whose end another thread waits.
  // While threads of it are still ending it cannot be waited for, and is not gone.
  if (stat->ended && stat->parent == getpid()) return waitpid(pid, nullptr, WNOHANG) == 0;
  return !stat->ended;
}

bool ProcessHasArgument(int pid, const std::string& argument) {
  const auto text = ReadFile(absl::StrCat("/proc/", pid, "/cmdline"), 1 << 20);
  if (!text.ok()) return false;
  for (const absl::string_view part : absl::StrSplit(*text, '\0')) {
    if (part == argument) return true;
  }
  return false;
}

absl::Status KillProcess(int pid, std::uint64_t start_time, absl::Duration timeout) {
  const Fd handle(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!ProcessAlive(pid, start_time)) return absl::OkStatus();
  // The descriptor was opened before the check: what was checked is what is killed.
  if (!handle.valid()) return ErrnoStatus("pidfd_open");
  if (syscall(SYS_pidfd_send_signal, handle.get(), SIGKILL, nullptr, 0) != 0 && errno != ESRCH) {
    return ErrnoStatus(absl::StrCat("kill of process ", pid));
  }
  const absl::Time deadline = absl::Now() + timeout;
  while (ProcessAlive(pid, start_time)) {
    if (absl::Now() > deadline) {
      return absl::DeadlineExceededError(absl::StrCat("process ", pid, " does not end"));
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
  return absl::OkStatus();
}

}  // namespace godwit::jobs

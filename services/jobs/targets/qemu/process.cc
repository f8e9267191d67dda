#include "services/jobs/targets/qemu/process.h"

#include <fcntl.h>
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
#include "services/common/base/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::jobs {
namespace {

// Called between fork and exec: async-signal-safe calls only.
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

absl::StatusOr<Spawned> SpawnDetached(const DetachedOptions& options) {
  const Fd log(open(options.log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log.valid()) return ErrnoStatus(options.log_path);
  std::vector<char*> pointers = ArgumentPointers(options.argv);
  const pid_t pid = fork();
  if (pid < 0) return ErrnoStatus("fork");
  if (pid == 0) {
    setsid();
    WritePid(options.pid_path.c_str());
    if (chdir(options.work_dir.c_str()) != 0) _exit(126);
    ExecChild(pointers.data(), log.get(), options.inherited_fds.data(),
              options.inherited_fds.size());
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
  const absl::Time deadline = SteadyNow() + timeout;
  while (ProcessAlive(pid, start_time)) {
    if (SteadyNow() > deadline) {
      return absl::DeadlineExceededError(absl::StrCat("process ", pid, " does not end"));
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
  return absl::OkStatus();
}

}  // namespace godwit::jobs

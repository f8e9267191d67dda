#include "services/conversion/appliance/machine_process.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "services/common/base/file.h"

namespace godwit::conversion {
namespace {

constexpr id_t kNobody = 65534;
// Beside the machine's memory: 720 MiB were measured with TCG (256 of them translated code), 64
// threads for disks have stacks of 8 MiB each, and the C library reserves 64 MiB for most threads.
constexpr std::uint64_t kOwnMib = 3072;

void Limit(__rlimit_resource what, std::uint64_t most) {
  const rlimit limit{.rlim_cur = most, .rlim_max = most};
  setrlimit(what, &limit);
}

}  // namespace

ProcessLimits MachineLimits(absl::Duration timeout, int memory_mib) {
  return {.cpu_seconds = static_cast<std::uint64_t>(2 * absl::ToInt64Seconds(timeout)) + 60,
          .address_bytes = (static_cast<std::uint64_t>(memory_mib) + kOwnMib) << 20};
}

absl::StatusOr<pid_t> StartMachine(const std::vector<std::string>& command,
                                   const std::vector<int>& fds, const std::string& log,
                                   const ProcessLimits& limits) {
  std::vector<std::string> words = command;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const Fd out(open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!out.valid()) return ErrnoStatus(log);
  const Fd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  std::vector<gid_t> groups;
  if (const struct group* const kvm = getgrnam("kvm"); kvm != nullptr)
    groups.push_back(kvm->gr_gid);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) return ErrnoStatus("fork");
  if (child > 0) return child;
  if (getuid() == 0 && (setgroups(groups.size(), groups.data()) != 0 || setgid(kNobody) != 0 ||
                        setuid(kNobody) != 0))
    _exit(126);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  // After the change of user, which ends it.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  Limit(RLIMIT_CPU, limits.cpu_seconds);
  Limit(RLIMIT_NOFILE, limits.open_files);
  Limit(RLIMIT_CORE, 0);
  if (limits.address_bytes != 0) Limit(RLIMIT_AS, limits.address_bytes);
  setpriority(PRIO_PROCESS, 0, limits.nice);
  dup2(null.get(), 0);
  dup2(out.get(), 1);
  dup2(out.get(), 2);
  for (const int fd : fds) fcntl(fd, F_SETFD, 0);
  execvp(argv[0], argv.data());
  _exit(127);
}

}  // namespace godwit::conversion

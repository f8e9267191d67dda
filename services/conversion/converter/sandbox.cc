#include "services/conversion/converter/sandbox.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

// <sys/mount.h> and <linux/mount.h> define the same names; these are all that is needed of it.
extern "C" int mount(const char* source, const char* target, const char* type, unsigned long flags,
                     const void* data) noexcept;

namespace godwit::convert {
namespace {

constexpr std::size_t kMaxOutput = 64 * 1024;
constexpr int kSetupFailed = 126;
// Of sys/mount.h.
constexpr unsigned long kReadOnly = 1, kNoSuid = 2, kNoDev = 4, kNoExec = 8, kRemount = 32,
                        kBind = 4096, kRecursive = 16384, kPrivate = 1 << 18;

struct Device {
  const char* name;
  unsigned major, minor;
};
constexpr Device kDevices[] = {{"/dev/null", 1, 3},
                               {"/dev/zero", 1, 5},
                               {"/dev/random", 1, 8},
                               {"/dev/urandom", 1, 9},
                               {"/dev/tty", 5, 0}};

constexpr int kDroppedCapabilities[] = {
    CAP_SYS_ADMIN,  CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_BOOT,     CAP_SYS_TIME,
    CAP_SYS_PTRACE, CAP_NET_ADMIN,  CAP_SYSLOG,    CAP_SYS_RESOURCE, CAP_AUDIT_CONTROL,
    CAP_MAC_ADMIN,  CAP_BPF,        CAP_PERFMON,   CAP_SYS_NICE,     CAP_LINUX_IMMUTABLE};

// A copy of the guest's mounts in which programs may run; they still are no devices and give no
// rights.
absl::StatusOr<Fd> CloneTree(const GuestRoot& root) {
  Fd tree(static_cast<int>(
      syscall(SYS_open_tree, root.fd(), "",
              AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
  if (!tree.valid()) return ErrnoStatus("a copy of the guest's mounts");
  mount_attr attributes{};
  attributes.attr_clr = MOUNT_ATTR_NOEXEC;
  attributes.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  if (syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
              sizeof attributes) != 0)
    return ErrnoStatus("rights of the guest's mounts");
  return tree;
}

// From here on in the child, which has the memory of a fork: what fails is said and ends it.
[[noreturn]] void Fail(const char* what) {
  const std::string text = absl::StrCat("sandbox: ", ErrnoStatus(what).message(), "\n");
  [[maybe_unused]] const ssize_t wrote = write(2, text.data(), text.size());
  _exit(kSetupFailed);
}

void MakeDevices() {
  if (mount("tmpfs", "/dev", "tmpfs", kNoSuid | kNoExec, "mode=755,size=64k,nr_inodes=32") != 0)
    Fail("/dev");
  for (const Device& device : kDevices) {
    if (mknod(device.name, S_IFCHR | 0666, makedev(device.major, device.minor)) != 0)
      Fail(device.name);
    chmod(device.name, 0666);
  }
  if (symlink("/proc/self/fd", "/dev/fd") != 0) Fail("/dev/fd");
  // No device can be made there, and nowhere else would one work.
  if (mount(nullptr, "/dev", nullptr, kRemount | kBind | kReadOnly | kNoSuid | kNoExec, nullptr) !=
      0)
    Fail("/dev read-only");
}

void EnterGuest(int tree) {
  if (mount(nullptr, "/", nullptr, kRecursive | kPrivate, nullptr) != 0) Fail("private mounts");
  // Over the root, so that no ".." leads out of it.
  if (syscall(SYS_move_mount, tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) != 0)
    Fail("the guest's root");
  if (fchdir(tree) != 0 || chroot(".") != 0) Fail("chroot");
  MakeDevices();
  const unsigned long plain = kNoSuid | kNoDev | kNoExec | kReadOnly;
  if (mount("proc", "/proc", "proc", plain, nullptr) != 0) Fail("/proc");
  if (mount("sysfs", "/sys", "sysfs", plain, nullptr) != 0) Fail("/sys");
  // A guest may lack these; scripts are run from them.
  for (const char* folder : {"/tmp", "/var/tmp", "/run"})
    mount("tmpfs", folder, "tmpfs", kNoSuid | kNoDev, "mode=1777,size=60%");
}

void GiveUpRights(absl::Duration limit) {
  const auto seconds = static_cast<rlim_t>(absl::ToInt64Seconds(limit) + 10);
  const std::pair<__rlimit_resource, rlim_t> limits[] = {{RLIMIT_CPU, seconds},
                                                         {RLIMIT_CORE, 0},
                                                         {RLIMIT_FSIZE, rlim_t{4} << 30},
                                                         {RLIMIT_NOFILE, 4096}};
  for (const auto& [resource, value] : limits) {
    const rlimit both{value, value};
    if (setrlimit(resource, &both) != 0) Fail("limits");
  }
  for (const int capability : kDroppedCapabilities) prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) Fail("no new privileges");
}

[[noreturn]] void Child(int tree, int output, char* const* argv, absl::Duration limit) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (dup2(output, 1) < 0 || dup2(output, 2) < 0) _exit(kSetupFailed);
  EnterGuest(tree);
  close(0);
  if (open("/dev/null", O_RDONLY) != 0) Fail("/dev/null");
  setsid();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  syscall(SYS_close_range, 3u, ~0u, 0u);
  GiveUpRights(limit);
  char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", home[] = "HOME=/root", lang[] = "LC_ALL=C";
  char* const environment[] = {path, home, lang, nullptr};
  execve(argv[0], argv, environment);
  Fail(argv[0]);
}

void Drain(int fd, std::string* output) {
  char bytes[4096];
  for (ssize_t got; (got = read(fd, bytes, sizeof bytes)) > 0;) {
    output->append(bytes, static_cast<std::size_t>(got));
    if (output->size() > kMaxOutput) output->erase(0, output->size() - kMaxOutput);
  }
}

}  // namespace

absl::StatusOr<GuestRun> RunInGuest(const GuestRoot& root, const std::vector<std::string>& command,
                                    absl::Duration limit) {
  ASSIGN_OR_RETURN(const Fd tree, CloneTree(root));
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus("pipe");
  const Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  fcntl(read_end.get(), F_SETFL, O_NONBLOCK);
  std::vector<std::string> words = command;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const absl::Time from = SteadyNow();
  // Process 1 of its namespace: when it ends or is killed, the kernel ends all that it started.
  const auto child = static_cast<pid_t>(syscall(
      SYS_clone, CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | SIGCHLD,
      nullptr, nullptr, nullptr, nullptr));
  if (child < 0) return ErrnoStatus("namespaces");
  if (child == 0) Child(tree.get(), write_end.get(), argv.data(), limit);
  write_end.Reset();
  GuestRun run;
  int status = 0;
  for (pid_t ended = 0; ended == 0;) {
    pollfd ready{read_end.get(), POLLIN, 0};
    poll(&ready, 1, 20);
    Drain(read_end.get(), &run.output);
    ended = waitpid(child, &status, WNOHANG);
    if (ended < 0 && errno != EINTR) return ErrnoStatus("waitpid");
    ended = std::max(ended, 0);
    if (ended == 0 && SteadyNow() - from > limit) {
      run.timed_out = true;
      kill(child, SIGKILL);
      while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
      }
      break;
    }
  }
  Drain(read_end.get(), &run.output);
  run.took = SteadyNow() - from;
  run.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (run.exit_code == kSetupFailed && run.output.rfind("sandbox: ", 0) == 0)
    return absl::InternalError(run.output);
  return run;
}

}  // namespace godwit::convert

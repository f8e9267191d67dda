#include "agent/engine/freezer.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "agent/boot/mounts.h"
#include "services/common/base/clock.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {
namespace {

constexpr std::size_t kMaxMessage = 128 * 1024;

// The watchdog's life. Allocates nothing and logs nothing once file systems may be frozen: its own
// writes would wait for the thaw.
//   "<budget ms>\n<mount point>\n..."  opens them and answers "r"; the clock starts
//   "t"                                 the agent has thawed; answers "x" when the clock had run
//   out before, else "k"
[[noreturn]] void Watch(int socket) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::signal(signal, SIG_IGN);
  mlockall(MCL_CURRENT | MCL_FUTURE);
  std::string message(kMaxMessage, '\0');
  std::vector<int> fds;
  fds.reserve(256);
  while (true) {
    ssize_t got = recv(socket, message.data(), message.size(), 0);
    if (got <= 0) _exit(0);
    const std::vector<std::string> lines =
        absl::StrSplit(absl::string_view(message.data(), static_cast<std::size_t>(got)), '\n');
    int budget = 0;
    if (!absl::SimpleAtoi(lines[0], &budget)) continue;
    fds.clear();
    for (std::size_t i = 1; i < lines.size(); ++i) {
      const int fd = open(lines[i].c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      if (fd >= 0) fds.push_back(fd);
    }
    if (send(socket, "r", 1, MSG_NOSIGNAL) != 1) _exit(0);
    pollfd wait{.fd = socket, .events = POLLIN, .revents = 0};
    bool expired = poll(&wait, 1, budget) == 0;
    got = expired ? 0 : recv(socket, message.data(), 1, 0);
    if (expired || got <= 0) {
      for (const int fd : fds) ioctl(fd, FITHAW, 0);
    }
    if (expired) got = recv(socket, message.data(), 1, 0);
    // A freeze that was still under way when the clock ran out may have ended after the thaw above.
    for (const int fd : fds) {
      ioctl(fd, FITHAW, 0);
      close(fd);
    }
    if (got <= 0) _exit(0);
    if (send(socket, expired ? "x" : "k", 1, MSG_NOSIGNAL) != 1) _exit(0);
  }
}

}  // namespace

std::vector<MountedFileSystem> FileSystemsOn(const std::string& mountinfo,
                                             const std::vector<std::string>& devices) {
  std::vector<MountedFileSystem> found;
  for (const Mount& mount : MountsOf(mountinfo, devices)) {
    if (!mount.read_only)
      found.push_back(
          {.device = mount.device, .mount_point = mount.mount_point, .type = mount.type});
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return std::count(a.mount_point.begin(), a.mount_point.end(), '/') +
               (a.mount_point.size() > 1 ? 1 : 0) >
           std::count(b.mount_point.begin(), b.mount_point.end(), '/') +
               (b.mount_point.size() > 1 ? 1 : 0);
  });
  return found;
}

absl::StatusOr<std::unique_ptr<Freezer>> Freezer::Start() {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
    return ErrnoStatus("socketpair");
  const pid_t child = fork();
  if (child < 0) return ErrnoStatus("fork");
  if (child == 0) {
    close(sockets[0]);
    Watch(sockets[1]);
  }
  close(sockets[1]);
  return std::unique_ptr<Freezer>(new Freezer(child, Fd(sockets[0])));
}

Freezer::~Freezer() {
  shutdown(socket_.get(), SHUT_RDWR);
  waitpid(child_, nullptr, 0);
}

void Freezer::Sync(const std::vector<MountedFileSystem>& file_systems) {
  for (const MountedFileSystem& file_system : file_systems) {
    const Fd fd(open(file_system.mount_point.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.valid()) syncfs(fd.get());
  }
}

absl::Status Freezer::Freeze(const std::vector<MountedFileSystem>& file_systems,
                             absl::Duration budget, bool* all_frozen) {
  std::string message = absl::StrCat(absl::ToInt64Milliseconds(budget));
  std::vector<Fd> fds;
  for (const MountedFileSystem& file_system : file_systems) {
    Fd fd(open(file_system.mount_point.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid()) return ErrnoStatus(file_system.mount_point);
    fds.push_back(std::move(fd));
    absl::StrAppend(&message, "\n", file_system.mount_point);
  }
  if (message.size() > kMaxMessage)
    return absl::ResourceExhaustedError("too many file systems to freeze");
  char ready = 0;
  if (send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL) < 0 ||
      recv(socket_.get(), &ready, 1, 0) != 1 || ready != 'r') {
    return absl::InternalError("the thaw watchdog is gone: restart the agent");
  }
  since_ = SteadyNow();
  *all_frozen = true;
  absl::Status status;
  for (std::size_t i = 0; i < fds.size(); ++i) {
    if (ioctl(fds[i].get(), FIFREEZE, 0) == 0) {
      frozen_.push_back(std::move(fds[i]));
    } else if (errno == EOPNOTSUPP || errno == ENOTTY) {
      syncfs(fds[i].get());
      *all_frozen = false;
    } else {
      status = ErrnoStatus(absl::StrCat("freezing ", file_systems[i].mount_point));
      break;
    }
  }
  if (!status.ok()) Thaw().status().IgnoreError();
  return status;
}

absl::StatusOr<absl::Duration> Freezer::Thaw() {
  bool early = false;
  for (auto fd = frozen_.rbegin(); fd != frozen_.rend(); ++fd) {
    // EINVAL: it is not frozen any more.
    if (ioctl(fd->get(), FITHAW, 0) != 0) early = true;
  }
  const absl::Duration frozen = SteadyNow() - since_;
  frozen_.clear();
  char answer = 0;
  if (send(socket_.get(), "t", 1, MSG_NOSIGNAL) != 1 || recv(socket_.get(), &answer, 1, 0) != 1) {
    return absl::InternalError("the thaw watchdog is gone: restart the agent");
  }
  if (early || answer != 'k') {
    return absl::DeadlineExceededError(absl::StrCat(
        "the file systems were thawed after the budget, ", absl::FormatDuration(frozen)));
  }
  return frozen;
}

}  // namespace godwit::agent

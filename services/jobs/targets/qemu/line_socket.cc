#include "services/jobs/targets/qemu/line_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/common/base/status_macros.h"

namespace godwit::jobs {

absl::StatusOr<LineSocket> LineSocket::Connect(const std::string& what, const std::string& dir,
                                               const std::string& socket_name,
                                               std::size_t most_line) {
  const Fd folder(open(dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return ErrnoStatus(dir);
  // Through the folder's descriptor: the name of a socket is limited to 107 bytes, folders are not.
  const std::string path = absl::StrCat("/proc/self/fd/", folder.get(), "/", socket_name);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path))
    return absl::InternalError(absl::StrCat(what, ": name too long"));
  std::copy(path.begin(), path.end(), address.sun_path);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return ErrnoStatus(absl::StrCat(what, ": socket"));
  if (connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return absl::UnavailableError(absl::StrCat(what, ": ", ErrnoStatus(socket_name).message()));
  }
  LineSocket out(what, std::move(socket), most_line);
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (getsockopt(out.socket_.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
    out.peer_pid_ = credentials.pid;
  }
  return out;
}

absl::Status LineSocket::Await(short events, absl::Time deadline) const {
  while (true) {
    const auto left = absl::ToInt64Milliseconds(deadline - SteadyNow());
    if (left <= 0) return absl::DeadlineExceededError(absl::StrCat(what_, ": no answer in time"));
    pollfd entry{.fd = socket_.get(), .events = events, .revents = 0};
    const int ready = poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    if (ready > 0) return absl::OkStatus();
    if (ready < 0 && errno != EINTR) return ErrnoStatus(absl::StrCat(what_, ": poll"));
  }
}

absl::StatusOr<std::string> LineSocket::Next(absl::Time deadline) {
  std::size_t searched = 0;
  while (true) {
    if (const std::size_t end = buffer_.find('\n', searched); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    searched = buffer_.size();
    if (buffer_.size() > most_line_)
      return absl::InternalError(
          absl::StrCat(what_, ": a message above ", most_line_ >> 20, " MiB"));
    RETURN_IF_ERROR(Await(POLLIN, deadline));
    char part[16384];
    const ssize_t got = recv(socket_.get(), part, sizeof(part), 0);
    if (got == 0) return absl::UnavailableError(absl::StrCat(what_, ": the connection was closed"));
    if (got < 0 && errno != EAGAIN && errno != EINTR) {
      return absl::UnavailableError(absl::StrCat(what_, ": ", ErrnoStatus("recv").message()));
    }
    if (got > 0) buffer_.append(part, static_cast<std::size_t>(got));
  }
}

absl::Status LineSocket::Send(absl::string_view text, absl::Time deadline) {
  while (!text.empty()) {
    RETURN_IF_ERROR(Await(POLLOUT, deadline));
    const ssize_t sent = send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
      return absl::UnavailableError(absl::StrCat(what_, ": ", ErrnoStatus("send").message()));
    }
    if (sent > 0) text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return absl::OkStatus();
}

}  // namespace godwit::jobs

#include "services/jobs/steps/probes.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::jobs {
namespace {

constexpr std::size_t kMostAnswer = 1 << 20;
constexpr absl::Duration kStaysOpen = absl::Milliseconds(500);

absl::Status NotYet(absl::string_view what) { return absl::UnavailableError(what); }

// True when the socket is ready for `events` before the deadline.
bool Await(int fd, short events, absl::Time deadline) {
  const auto left = absl::ToInt64Milliseconds(deadline - SteadyNow());
  pollfd entry{.fd = fd, .events = events, .revents = 0};
  return left > 0 && poll(&entry, 1, static_cast<int>(left)) > 0;
}

absl::StatusOr<Fd> Connect(const std::string& endpoint, absl::Time deadline) {
  const std::size_t colon = endpoint.rfind(':');
  int port = 0;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (colon == std::string::npos || !absl::SimpleAtoi(endpoint.substr(colon + 1), &port) ||
      inet_pton(AF_INET, endpoint.substr(0, colon).c_str(), &address.sin_addr) != 1) {
    return absl::InternalError(absl::StrCat("no endpoint: ", endpoint));
  }
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return ErrnoStatus("socket");
  if (connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 &&
      errno != EINPROGRESS) {
    return NotYet("connection refused");
  }
  int error = 0;
  socklen_t size = sizeof(error);
  if (!Await(socket.get(), POLLOUT, deadline)) return NotYet("no connection");
  if (getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
    return NotYet("connection refused");
  }
  return socket;
}

absl::StatusOr<std::string> Exchange(int fd, absl::string_view request, absl::Time deadline) {
  while (!request.empty()) {
    if (!Await(fd, POLLOUT, deadline)) return NotYet("cannot send");
    const ssize_t sent = send(fd, request.data(), request.size(), MSG_NOSIGNAL);
    if (sent < 0) return NotYet("cannot send");
    request.remove_prefix(static_cast<std::size_t>(sent));
  }
  std::string answer;
  while (answer.size() < kMostAnswer) {
    if (!Await(fd, POLLIN, deadline)) return NotYet("no whole answer");
    char part[16384];
    const ssize_t got = recv(fd, part, sizeof(part), 0);
    if (got < 0) return NotYet(kClosedAtOnce);
    if (got == 0) break;
    answer.append(part, static_cast<std::size_t>(got));
  }
  return answer;
}

}  // namespace

absl::Status ProbeTcp(const std::string& endpoint, absl::Duration timeout,
                      const std::function<absl::StatusOr<bool>()>& taken) {
  ASSIGN_OR_RETURN(const Fd socket, Connect(endpoint, SteadyNow() + timeout));
  if (!Await(socket.get(), POLLIN, SteadyNow() + kStaysOpen)) {
    if (taken == nullptr) return absl::OkStatus();
    ASSIGN_OR_RETURN(const bool by_guest, taken());
    return by_guest ? absl::OkStatus() : NotYet("the machine does not answer");
  }
  char byte;
  if (recv(socket.get(), &byte, 1, MSG_PEEK) > 0) return absl::OkStatus();  // a greeting
  return NotYet(kClosedAtOnce);
}

absl::StatusOr<std::string> ProbeHttp(const std::string& endpoint, const HttpCheck& check,
                                      absl::Duration timeout) {
  const absl::Time deadline = SteadyNow() + timeout;
  ASSIGN_OR_RETURN(const Fd socket, Connect(endpoint, deadline));
  const std::string path = check.path.empty() ? "/" : check.path;
  ASSIGN_OR_RETURN(const std::string answer,
                   Exchange(socket.get(),
                            absl::StrCat("GET ", path, " HTTP/1.0\r\nHost: ", endpoint,
                                         "\r\nUser-Agent: godwit-boot-proof\r\n\r\n"),
                            deadline));
  if (answer.empty()) return NotYet(kClosedAtOnce);
  const std::size_t head_end = answer.find("\r\n\r\n");
  const std::vector<std::string> words =
      absl::StrSplit(answer.substr(0, answer.find("\r\n")), absl::MaxSplits(' ', 2));
  int status = 0;
  if (head_end == std::string::npos || words.size() < 2 || !absl::StartsWith(words[0], "HTTP/") ||
      !absl::SimpleAtoi(words[1], &status)) {
    return NotYet("no HTTP answer");
  }
  if (status != check.status) {
    return NotYet(absl::StrCat("HTTP ", status, " instead of ", check.status));
  }
  const absl::string_view body = absl::string_view(answer).substr(head_end + 4);
  if (!absl::StrContains(body, check.body_contains)) return NotYet("body lacks the expected text");
  return absl::StrCat("HTTP ", status, ", ", body.size(), " bytes");
}

}  // namespace godwit::jobs

#include "services/jobs/targets/qemu/qmp.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace godwit::jobs {
namespace {

using nlohmann::json;

constexpr std::size_t kMostLine = 1 << 20;
constexpr int kMostUnrelated = 10000;  // events between a command and its answer

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string Text(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// Waits until the socket is ready for `events`.
absl::Status Await(int fd, short events, absl::Time deadline) {
  while (true) {
    const auto left = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left <= 0) return absl::DeadlineExceededError("QMP: QEMU does not answer");
    pollfd entry{.fd = fd, .events = events, .revents = 0};
    const int ready = poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    if (ready > 0) return absl::OkStatus();
    if (ready < 0 && errno != EINTR) return ErrnoStatus("QMP: poll");
  }
}

}  // namespace

absl::StatusOr<QmpMessage> ParseQmp(absl::string_view line) {
  const json parsed = json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return absl::InternalError("QMP: a line that is no JSON object");
  QmpMessage message;
  if (parsed.contains("QMP")) {
    message.kind = QmpMessage::Kind::kGreeting;
  } else if (const auto value = parsed.find("return"); value != parsed.end()) {
    message.kind = QmpMessage::Kind::kReturn;
    message.json = Dump(*value);
  } else if (const auto error = parsed.find("error"); error != parsed.end()) {
    message.kind = QmpMessage::Kind::kError;
    if (!error->is_object()) return absl::InternalError("QMP: malformed error");
    message.text = absl::StrCat(Text(*error, "class"), ": ", Text(*error, "desc"));
  } else if (parsed.contains("event")) {
    message.kind = QmpMessage::Kind::kEvent;
    message.text = Text(parsed, "event");
    if (const auto data = parsed.find("data"); data != parsed.end()) message.json = Dump(*data);
  } else {
    return absl::InternalError("QMP: a message of unknown kind");
  }
  return message;
}

absl::StatusOr<Qmp> Qmp::Connect(const std::string& dir, const std::string& socket_name,
                                 absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  const Fd folder(open(dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return ErrnoStatus(dir);
  // Through the folder's descriptor: the name of a socket is limited to 107 bytes, folders are not.
  const std::string path = absl::StrCat("/proc/self/fd/", folder.get(), "/", socket_name);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return absl::InternalError("QMP: name too long");
  std::copy(path.begin(), path.end(), address.sun_path);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return ErrnoStatus("QMP: socket");
  if (connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return absl::UnavailableError(absl::StrCat("QMP: ", ErrnoStatus(socket_name).message()));
  }
  Qmp qmp(std::move(socket));
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (getsockopt(qmp.socket_.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
    qmp.peer_pid_ = credentials.pid;
  }
  ASSIGN_OR_RETURN(const QmpMessage greeting, qmp.Next(deadline));
  if (greeting.kind != QmpMessage::Kind::kGreeting) {
    return absl::InternalError("QMP: no greeting");
  }
  RETURN_IF_ERROR(qmp.Execute("qmp_capabilities", "", deadline - absl::Now()));
  return qmp;
}

absl::StatusOr<std::string> Qmp::Execute(absl::string_view command, absl::string_view arguments,
                                         absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  const std::string line = arguments.empty() ? absl::StrCat("{\"execute\":\"", command, "\"}\n")
                                             : absl::StrCat("{\"execute\":\"", command,
                                                            "\",\"arguments\":", arguments, "}\n");
  RETURN_IF_ERROR(Send(line, deadline));
  for (int i = 0; i < kMostUnrelated; ++i) {
    ASSIGN_OR_RETURN(const QmpMessage message, Next(deadline));
    if (message.kind == QmpMessage::Kind::kReturn) return message.json;
    if (message.kind == QmpMessage::Kind::kError) {
      return absl::FailedPreconditionError(absl::StrCat("QMP ", command, ": ", message.text));
    }
  }
  return absl::InternalError(absl::StrCat("QMP ", command, ": no answer among many messages"));
}

absl::StatusOr<std::string> Qmp::Monitor(absl::string_view command_line, absl::Duration timeout) {
  const json arguments = {{"command-line", std::string(command_line)}};
  ASSIGN_OR_RETURN(const std::string answer,
                   Execute("human-monitor-command", Dump(arguments), timeout));
  const json text = json::parse(answer, nullptr, false);
  if (!text.is_string()) return absl::InternalError("QMP: monitor answer is no text");
  return text.get<std::string>();
}

absl::StatusOr<QmpMessage> Qmp::Next(absl::Time deadline) {
  while (true) {
    if (const std::size_t end = buffer_.find('\n'); end != std::string::npos) {
      const std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return ParseQmp(line);
    }
    if (buffer_.size() > kMostLine) return absl::InternalError("QMP: a message above 1 MiB");
    RETURN_IF_ERROR(Await(socket_.get(), POLLIN, deadline));
    char part[16384];
    const ssize_t got = recv(socket_.get(), part, sizeof(part), 0);
    if (got == 0) return absl::UnavailableError("QMP: QEMU closed the connection");
    if (got < 0 && errno != EAGAIN && errno != EINTR) {
      return absl::UnavailableError(absl::StrCat("QMP: ", ErrnoStatus("recv").message()));
    }
    if (got > 0) buffer_.append(part, static_cast<std::size_t>(got));
  }
}

absl::Status Qmp::Send(absl::string_view line, absl::Time deadline) {
  while (!line.empty()) {
    RETURN_IF_ERROR(Await(socket_.get(), POLLOUT, deadline));
    const ssize_t sent = send(socket_.get(), line.data(), line.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
      return absl::UnavailableError(absl::StrCat("QMP: ", ErrnoStatus("send").message()));
    }
    if (sent > 0) line.remove_prefix(static_cast<std::size_t>(sent));
  }
  return absl::OkStatus();
}

}  // namespace godwit::jobs

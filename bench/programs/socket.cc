#include "bench/programs/socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace godwit::bench {
namespace {

absl::StatusOr<sockaddr_in> Parse(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  sockaddr_in parsed{.sin_family = AF_INET};
  int port = -1;
  if (colon == std::string::npos || !absl::SimpleAtoi(address.substr(colon + 1), &port) ||
      port < 0 || port > 65535 ||
      inet_pton(AF_INET, address.substr(0, colon).c_str(), &parsed.sin_addr) != 1) {
    return absl::InvalidArgumentError(absl::StrCat(address, ": ADDRESS:PORT is needed"));
  }
  parsed.sin_port = htons(static_cast<std::uint16_t>(port));
  return parsed;
}

absl::StatusOr<Fd> Socket() {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int one = 1;
  if (!fd.valid() || setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0) {
    return ErrnoStatus("socket");
  }
  return fd;
}

}  // namespace

absl::StatusOr<Fd> Listen(const std::string& address) {
  ASSIGN_OR_RETURN(const sockaddr_in parsed, Parse(address));
  ASSIGN_OR_RETURN(Fd fd, Socket());
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&parsed), sizeof parsed) != 0 ||
      listen(fd.get(), 128) != 0) {
    return ErrnoStatus(address);
  }
  return fd;
}

int PortOf(const Fd& socket) {
  sockaddr_in own{};
  socklen_t size = sizeof own;
  getsockname(socket.get(), reinterpret_cast<sockaddr*>(&own), &size);
  return ntohs(own.sin_port);
}

absl::StatusOr<Fd> Connect(const std::string& address) {
  ASSIGN_OR_RETURN(const sockaddr_in parsed, Parse(address));
  ASSIGN_OR_RETURN(Fd fd, Socket());
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&parsed), sizeof parsed) != 0) {
    return ErrnoStatus(address);
  }
  return fd;
}

absl::StatusOr<Fd> Accept(const Fd& listener) {
  Fd fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus("accept");
  const int one = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

}  // namespace godwit::bench

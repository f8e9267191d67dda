// A port of this host's loopback address that remembers whether anybody came.
#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "absl/status/statusor.h"
#include "services/common/base/file.h"

namespace godwit::testing {

class TcpListener {
 public:
  static absl::StatusOr<TcpListener> Open() {
    TcpListener out;
    out.socket_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (bind(out.socket_.get(), any, size) != 0 || listen(out.socket_.get(), 16) != 0 ||
        getsockname(out.socket_.get(), any, &size) != 0) {
      return ErrnoStatus("listener");
    }
    out.port_ = ntohs(address.sin_port);
    return out;
  }
  int port() const { return port_; }
  bool WasReached() const {
    pollfd entry{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    return poll(&entry, 1, 0) > 0;
  }

 private:
  Fd socket_;
  int port_ = 0;
};

}  // namespace godwit::testing

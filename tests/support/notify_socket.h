// systemd's side of sd_notify: a datagram socket that $NOTIFY_SOCKET names while the object lives.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"

namespace godwit::testing {

class NotifySocket {
 public:
  NotifySocket() : path_(absl::StrCat("/tmp/godwit-notify-", getpid())) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, path_.size());
    EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    setenv("NOTIFY_SOCKET", path_.c_str(), 1);
  }
  ~NotifySocket() {
    unsetenv("NOTIFY_SOCKET");
    unlink(path_.c_str());
  }
  // The next message; "" when there is none within 20 seconds, or now when not `patient`.
  std::string Hear(bool patient) {
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    char text[256];
    const ssize_t got = recv(socket_.get(), text, sizeof text, patient ? 0 : MSG_DONTWAIT);
    return {text, got < 0 ? 0 : static_cast<std::size_t>(got)};
  }
  void Close() { socket_.Reset(); }

 private:
  const std::string path_;
  Fd socket_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
};

}  // namespace godwit::testing

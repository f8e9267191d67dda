#include "services/common/base/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "absl/strings/numbers.h"
#include "services/common/base/file.h"

namespace godwit {

bool NotifyManager(absl::string_view message) {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr) return false;
  const std::size_t length = std::strlen(path);
  sockaddr_un address{};
  if (length < 2 || length >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@')) {
    return false;
  }
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';  // a name without a file
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  return socket.valid() &&
         sendto(socket.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                reinterpret_cast<const sockaddr*>(&address),
                size) == static_cast<ssize_t>(message.size());
}

std::optional<absl::Duration> WatchdogTime() {
  const char* const time = std::getenv("WATCHDOG_USEC");
  const char* const pid = std::getenv("WATCHDOG_PID");
  std::int64_t number = 0;
  if (pid != nullptr && (!absl::SimpleAtoi(pid, &number) || number != getpid())) {
    return std::nullopt;
  }
  if (time == nullptr || !absl::SimpleAtoi(time, &number) || number <= 0) return std::nullopt;
  return absl::Microseconds(number);
}

}  // namespace godwit

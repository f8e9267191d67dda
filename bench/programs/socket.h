// TCP sockets of the bench programs; blocking, IPv4.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "services/common/base/file.h"

namespace godwit::bench {

// Listens at "address:port" (port 0 chooses one).
absl::StatusOr<Fd> Listen(const std::string& address);
int PortOf(const Fd& socket);
// Connects to "address:port".
absl::StatusOr<Fd> Connect(const std::string& address);
// The next connection, without delay of small packets.
absl::StatusOr<Fd> Accept(const Fd& listener);

}  // namespace godwit::bench

// Which network addresses webhooks may connect to. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace godwit::registry {

// As IPv6; an IPv4 address a.b.c.d is ::ffff:a.b.c.d, so both forms of it are the same.
using Address = std::array<std::uint8_t, 16>;

struct Network {
  Address address{};
  int prefix = 128;  // bits, of the IPv6 form
};
// "10.0.0.0/8", "fd00::/8", "192.0.2.7". INVALID_ARGUMENT says what is wrong.
absl::StatusOr<Network> ParseNetwork(absl::string_view text);
// An address without a network.
absl::StatusOr<Address> ParseAddress(absl::string_view text);
// 4 or 16 bytes in network order.
Address AddressOf(absl::string_view bytes);
std::string FormatAddress(const Address& address);
bool IsLoopback(const Address& address);

class AddressPolicy {
 public:
  AddressPolicy() = default;
  // What is allowed besides public addresses.
  explicit AddressPolicy(std::vector<Network> allowed) : allowed_(std::move(allowed)) {}

  // PERMISSION_DENIED: private, local or otherwise not public, and not in an allowed network; or
  // one where clouds tell secrets to whoever asks, and not allowed by itself (a network around it
  // does not count).
  absl::Status Check(const Address& address) const;

 private:
  std::vector<Network> allowed_;
};

}  // namespace godwit::registry

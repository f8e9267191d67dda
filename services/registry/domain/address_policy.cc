#include "services/registry/domain/address_policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace godwit::registry {
namespace {

constexpr int kMappedBits = 96;  // of ::ffff:0:0/96

// What is no address of somebody on the Internet (the registries of special-purpose addresses), and
// what would lead to an IPv4 address behind the check (6to4, Teredo).
constexpr const char* kNotPublic[] = {
    "0.0.0.0/8",     "10.0.0.0/8",      "100.64.0.0/10",  "127.0.0.0/8",    "169.254.0.0/16",
    "172.16.0.0/12", "192.0.0.0/24",    "192.0.2.0/24",   "192.88.99.0/24", "192.168.0.0/16",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",    "240.0.0.0/4",
    "2001::/23",     "2001:db8::/32",   "2002::/16",      "3fff::/20"};
constexpr const char* kPublic[] = {"::ffff:0:0/96", "2000::/3"};
// Metadata services of clouds; they answer whoever is on the machine.
constexpr const char* kMetadata[] = {"169.254.169.254", "169.254.170.2", "100.100.100.200",
                                     "192.0.0.192",     "168.63.129.16", "fd00:ec2::254",
                                     "fd20:ce::254"};

bool Contains(const Network& network, const Address& address) {
  const int whole = network.prefix / 8, rest = network.prefix % 8;
  if (!std::equal(address.begin(), address.begin() + whole, network.address.begin())) return false;
  if (rest == 0) return true;
  const int mask = 0xff << (8 - rest) & 0xff;
  return (address[whole] & mask) == (network.address[whole] & mask);
}

template <std::size_t kCount>
std::vector<Network> Parse(const char* const (&texts)[kCount]) {
  std::vector<Network> networks;
  for (const char* text : texts) networks.push_back(*ParseNetwork(text));
  return networks;
}

bool AnyContains(const std::vector<Network>& networks, const Address& address) {
  return std::any_of(networks.begin(), networks.end(),
                     [&](const Network& network) { return Contains(network, address); });
}

}  // namespace

Address AddressOf(absl::string_view bytes) {
  Address address{};
  if (bytes.size() == 4) address[10] = address[11] = 0xff;
  std::memcpy(address.data() + address.size() - bytes.size(), bytes.data(), bytes.size());
  return address;
}

absl::StatusOr<Address> ParseAddress(absl::string_view text) {
  const std::string copy(text);
  char bytes[16];
  if (inet_pton(AF_INET, copy.c_str(), bytes) == 1) return AddressOf({bytes, 4});
  if (inet_pton(AF_INET6, copy.c_str(), bytes) == 1) return AddressOf({bytes, 16});
  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is no IP address"));
}

absl::StatusOr<Network> ParseNetwork(absl::string_view text) {
  const std::size_t slash = text.find('/');
  Network network;
  ASSIGN_OR_RETURN(network.address, ParseAddress(text.substr(0, slash)));
  if (slash == absl::string_view::npos) return network;
  const bool is_v4 = text.substr(0, slash).find(':') == absl::string_view::npos;
  const int most = is_v4 ? 32 : 128;
  if (!absl::SimpleAtoi(text.substr(slash + 1), &network.prefix) || network.prefix < 0 ||
      network.prefix > most) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\": after the / must be a number from 0 to ", most));
  }
  if (is_v4) network.prefix += kMappedBits;
  return network;
}

std::string FormatAddress(const Address& address) {
  char text[INET6_ADDRSTRLEN] = "";
  const bool mapped = Contains({AddressOf(absl::string_view("\0\0\0\0", 4)), kMappedBits}, address);
  if (mapped) {
    inet_ntop(AF_INET, address.data() + 12, text, sizeof text);
  } else {
    inet_ntop(AF_INET6, address.data(), text, sizeof text);
  }
  return text;
}

bool IsLoopback(const Address& address) {
  static const auto& loopback = *new std::vector<Network>(Parse({"127.0.0.0/8", "::1"}));
  return AnyContains(loopback, address);
}

absl::Status AddressPolicy::Check(const Address& address) const {
  static const auto& not_public = *new std::vector<Network>(Parse(kNotPublic));
  static const auto& is_public = *new std::vector<Network>(Parse(kPublic));
  static const auto& metadata = *new std::vector<Network>(Parse(kMetadata));
  const bool secrets = AnyContains(metadata, address);
  if (!secrets && AnyContains(is_public, address) && !AnyContains(not_public, address)) {
    return absl::OkStatus();
  }
  for (const Network& network : allowed_) {
    if ((!secrets || network.prefix == 128) && Contains(network, address)) {
      return absl::OkStatus();
    }
  }
  return absl::PermissionDeniedError(
      absl::StrCat(FormatAddress(address),
                   secrets ? " is a metadata service; --webhook-allow of the registry must name "
                             "this very address"
                           : " is no public address; --webhook-allow of the registry must name its "
                             "network"));
}

}  // namespace godwit::registry

// The network of a guest on the target's cards: names stay, and what is configured for a card by
// its address finds the new one.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/conversion/converter/guest_root.h"

namespace godwit::convert {

struct Nic {
  std::string mac_address;         // of the launched machine
  std::string source_mac_address;  // of the source
  std::string source_name;
  // Besides, for its IPv4 address: a static one ("a.b.c.d/len" and perhaps a gateway) instead of
  // what is configured, or DHCP. Neither: it stays what it is.
  std::string static_address, gateway;
  bool reset_to_dhcp = false;
};

// `text` with the hardware address `from` as `to`, however it is written (case; colons or dashes,
// which stay what they are). Longer rows of hex digits are no address.
std::string ReplaceMac(const std::string& text, const std::string& from, const std::string& to);

// Rules of udev that give a card of another address than those of `macs` a name are left out;
// "" when no rule is left.
std::string DropForeignPins(const std::string& text, const std::vector<std::string>& macs);

// What gives cards their names: .link files (systemd since 211), rules of udev (before), or nothing
// that can be told (mdev).
enum class CardNaming { kLinkFiles, kUdevRules, kNone };
CardNaming FindCardNaming(const GuestRoot& root);

// 70-persistent-net.rules with a rule that gives the card with `mac` its name, unless it has one.
std::string AddPin(const std::string& rules, const std::string& mac, const std::string& name);

// In every kind of network configuration that Linux systems have (ifupdown, ifcfg of Red Hat and
// SUSE, NetworkManager, netplan, systemd-networkd, cloud-init, rules of udev): the cards' addresses
// become the new ones. Addresses, routes and names stay: a .link file or a rule of udev keeps each
// name.
absl::Status ConvertNetwork(GuestRoot& root, const std::vector<Nic>& nics);

}  // namespace godwit::convert

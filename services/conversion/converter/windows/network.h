// Addresses of the launched machine's cards. The new cards are other devices to Windows, so what
// was configured for the old ones does not reach them: a script of the first boot sets it.
#pragma once

#include <string>
#include <vector>

#include "services/conversion/converter/windows/guest.h"
#include "services/conversion/converter/windows/options.h"

namespace godwit::convert::windows {

struct CardPlan {
  std::string mac_address;
  std::string address, mask, gateway;  // address empty: by DHCP
  std::vector<std::string> name_servers;
};

// A static address that is asked for; else what the source's connection of the same name has; else,
// with one card and one static connection, that one; else DHCP, as Windows does by itself (such a
// card is left out).
// *refused: addresses that were asked for and are no IPv4 address with the length of its network.
std::vector<CardPlan> PlanNetwork(const Guest& guest, const std::vector<Card>& cards,
                                  std::vector<std::string>* refused);

// The script; "" when there is nothing to do.
std::string NetworkScript(const std::vector<CardPlan>& plans);

// "24" -> "255.255.255.0"; "" when it is none.
std::string MaskOfLength(const std::string& length);

}  // namespace godwit::convert::windows

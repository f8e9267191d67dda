#include "services/conversion/converter/windows/network.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace godwit::convert::windows {
namespace {

constexpr char kNetworkClass[] = "{4D36E972-E325-11CE-BFC1-08002BE10318}";
constexpr std::size_t kMaxServers = 8;

// Text of the guest becomes text of a script: four numbers and nothing else.
bool IsIpv4(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, '.');
  return parts.size() == 4 && std::all_of(parts.begin(), parts.end(), [](const std::string& part) {
           int number = -1;
           return part.size() <= 3 && !part.empty() &&
                  absl::ascii_isdigit(static_cast<unsigned char>(part[0])) &&
                  absl::SimpleAtoi(part, &number) && number >= 0 && number <= 255;
         });
}

struct Connection {
  std::string name;
  CardPlan plan;
};

std::vector<Connection> StaticConnections(const Guest& guest) {
  std::vector<Connection> connections;
  const std::string& set = guest.facts.control_sets[0];
  const std::string interfaces = set + R"(\Services\Tcpip\Parameters\Interfaces)";
  for (const std::string& id : guest.system.Children(interfaces)) {
    const std::string key = absl::StrCat(interfaces, "\\", id);
    if (guest.system.GetDword(key, "EnableDHCP").value_or(1) != 0) continue;
    const auto addresses = guest.system.GetTexts(key, "IPAddress");
    const auto masks = guest.system.GetTexts(key, "SubnetMask");
    const auto gateways = guest.system.GetTexts(key, "DefaultGateway");
    if (addresses.empty() || masks.empty() || !IsIpv4(addresses[0]) || !IsIpv4(masks[0])) continue;
    Connection connection;
    connection.name = guest.system.GetText(
        absl::StrCat(set, R"(\Control\Network\)", kNetworkClass, "\\", id, "\\Connection"), "Name");
    connection.plan.address = addresses[0];
    connection.plan.mask = masks[0];
    if (!gateways.empty() && IsIpv4(gateways[0])) connection.plan.gateway = gateways[0];
    for (const absl::string_view server : absl::StrSplit(
             guest.system.GetText(key, "NameServer"), absl::ByAnyChar(", "), absl::SkipEmpty())) {
      if (IsIpv4(std::string(server)) && connection.plan.name_servers.size() < kMaxServers) {
        connection.plan.name_servers.emplace_back(server);
      }
    }
    connections.push_back(std::move(connection));
  }
  return connections;
}

}  // namespace

std::string MaskOfLength(const std::string& length) {
  int bits = -1;
  if (!absl::SimpleAtoi(length, &bits) || bits < 1 || bits > 32) return "";
  const std::uint32_t mask = ~std::uint32_t{0} << (32 - bits);
  return absl::StrFormat("%d.%d.%d.%d", mask >> 24, mask >> 16 & 0xff, mask >> 8 & 0xff,
                         mask & 0xff);
}

std::vector<CardPlan> PlanNetwork(const Guest& guest, const std::vector<Card>& cards,
                                  std::vector<std::string>* refused) {
  std::vector<CardPlan> plans;
  const std::vector<Connection> connections = StaticConnections(guest);
  for (const Card& card : cards) {
    if (card.mac_address.empty()) continue;
    CardPlan plan;
    const std::vector<std::string> asked = absl::StrSplit(card.static_address, '/');
    if (asked.size() == 2 && IsIpv4(asked[0]) && !MaskOfLength(asked[1]).empty()) {
      plan.address = asked[0];
      plan.mask = MaskOfLength(asked[1]);
      if (IsIpv4(card.gateway)) plan.gateway = card.gateway;
    } else if (!card.static_address.empty()) {
      refused->push_back(card.static_address);
    }
    for (const Connection& connection : connections) {
      const bool same =
          !card.source_name.empty() && absl::EqualsIgnoreCase(connection.name, card.source_name);
      if (!same && (cards.size() != 1 || connections.size() != 1)) continue;
      if (plan.address.empty()) plan = connection.plan;
      if (plan.name_servers.empty()) plan.name_servers = connection.plan.name_servers;
    }
    plan.mac_address = absl::AsciiStrToUpper(card.mac_address);
    if (!plan.address.empty()) plans.push_back(std::move(plan));
  }
  return plans;
}

std::string NetworkScript(const std::vector<CardPlan>& plans) {
  if (plans.empty()) return "";
  std::string script =
      "# Gives each card, found by its MAC address, its address.\r\n"
      "# Windows 7 and later (WMI and netsh).\r\n"
      "$cards = @(\r\n";
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const CardPlan& plan = plans[i];
    absl::StrAppend(&script, "  @{ Mac = '", plan.mac_address, "'; Address = '", plan.address,
                    "'; Mask = '", plan.mask, "'; Gateway = '", plan.gateway, "'; Servers = @(",
                    absl::StrJoin(plan.name_servers, ", ",
                                  [](std::string* out, const std::string& server) {
                                    absl::StrAppend(out, "'", server, "'");
                                  }),
                    ") }", i + 1 < plans.size() ? "," : "", "\r\n");
  }
  script +=
      ")\r\n"
      "foreach ($card in $cards) {\r\n"
      "  $found = $null\r\n"
      "  for ($try = 0; $try -lt 60 -and -not $found; $try++) {\r\n"
      "    if ($try -gt 0) { Start-Sleep -Seconds 5 }\r\n"
      "    $found = Get-WmiObject Win32_NetworkAdapter |\r\n"
      "      Where-Object { $_.MACAddress -eq $card.Mac -and $_.NetConnectionID } |\r\n"
      "      Select-Object -First 1\r\n"
      "  }\r\n"
      "  if (-not $found) { Write-Output \"no card $($card.Mac)\"; continue }\r\n"
      "  $name = $found.NetConnectionID\r\n"
      "  $words = @('interface', 'ipv4', 'set', 'address', \"name=$name\", 'source=static',\r\n"
      "    \"address=$($card.Address)\", \"mask=$($card.Mask)\")\r\n"
      "  if ($card.Gateway) { $words += \"gateway=$($card.Gateway)\" }\r\n"
      "  & netsh.exe $words\r\n"
      "  $index = 1\r\n"
      "  foreach ($server in $card.Servers) {\r\n"
      "    & netsh.exe interface ipv4 add dnsservers \"name=$name\" \"address=$server\" "
      "\"index=$index\"\r\n"
      "    $index++\r\n"
      "  }\r\n"
      "}\r\n";
  return script;
}

}  // namespace godwit::convert::windows

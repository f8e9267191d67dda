#include "services/conversion/converter/address_text.h"

#include <arpa/inet.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace godwit::convert {
namespace {

int Length(const Nic& nic) {
  int length = 0;
  const std::size_t slash = nic.static_address.find('/');
  // Digits alone: SimpleAtoi takes spaces, too.
  return slash != std::string::npos &&
                 nic.static_address.find_first_not_of("0123456789./") == std::string::npos &&
                 absl::SimpleAtoi(nic.static_address.substr(slash + 1), &length)
             ? length
             : 0;
}

bool IsIpv4(const std::string& text) {
  in_addr address;
  return inet_pton(AF_INET, text.c_str(), &address) == 1;
}

// KEY of "KEY=value" of a shell, "" when the line assigns nothing.
std::string Key(absl::string_view line) {
  const absl::string_view trimmed = absl::StripLeadingAsciiWhitespace(line);
  const std::size_t equal = trimmed.find('=');
  if (equal == absl::string_view::npos || trimmed[0] == '#') return "";
  return std::string(trimmed.substr(0, equal));
}

// `keys` and `keys` with a number behind them (IPADDR, IPADDR0, IPADDR_1).
bool IsOneOf(const std::string& key, const std::vector<std::string>& keys) {
  for (const std::string& name : keys) {
    if (absl::StartsWith(key, name) &&
        key.find_first_not_of("_0123456789", name.size()) == std::string::npos)
      return true;
  }
  return false;
}

// Lines that assign to `keys` are left out; `lines` come where the first of them was.
std::string ReplaceKeys(const std::string& text, const std::vector<std::string>& keys,
                        const std::vector<std::string>& lines) {
  std::vector<std::string> out;
  bool placed = false;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!IsOneOf(Key(line), keys)) {
      out.emplace_back(line);
      continue;
    }
    if (!placed) out.insert(out.end(), lines.begin(), lines.end());
    placed = true;
  }
  if (!placed) {
    if (!out.empty() && out.back().empty()) out.pop_back();
    out.insert(out.end(), lines.begin(), lines.end());
    out.emplace_back("");
  }
  return absl::StrJoin(out, "\n");
}

std::string Unquoted(absl::string_view value) {
  value = absl::StripAsciiWhitespace(value);
  if (value.size() >= 2 && (value[0] == '"' || value[0] == '\'') && value.back() == value[0])
    value = value.substr(1, value.size() - 2);
  return std::string(value);
}

}  // namespace

absl::Status CheckAddresses(const Nic& nic) {
  if (!nic.static_address.empty()) {
    const int length = Length(nic);
    if (!IsIpv4(PlainAddress(nic)) || length < 1 || length > 32 || nic.static_address.size() > 18)
      return absl::InvalidArgumentError("nics.static_address: a.b.c.d/length is needed");
    if (nic.reset_to_dhcp) {
      return absl::InvalidArgumentError("nics.reset_to_dhcp: not together with static_address");
    }
  }
  if (!nic.gateway.empty() && (!IsIpv4(nic.gateway) || nic.static_address.empty()))
    return absl::InvalidArgumentError("nics.gateway: an IPv4 address, with static_address only");
  return absl::OkStatus();
}

std::string Netmask(const Nic& nic) {
  const int length = Length(nic);
  const std::uint32_t mask = length == 0 ? 0 : ~std::uint32_t{0} << (32 - length);
  return absl::StrCat(mask >> 24, ".", (mask >> 16) & 255, ".", (mask >> 8) & 255, ".", mask & 255);
}

std::string PlainAddress(const Nic& nic) {
  return nic.static_address.substr(0, nic.static_address.find('/'));
}

std::string EditRedHatIfcfg(const std::string& text, const Nic& nic) {
  std::vector<std::string> lines = {nic.reset_to_dhcp ? "BOOTPROTO=dhcp" : "BOOTPROTO=none"};
  if (!nic.reset_to_dhcp) {
    lines.push_back("IPADDR=" + PlainAddress(nic));
    lines.push_back(absl::StrCat("PREFIX=", Length(nic)));
    if (!nic.gateway.empty()) lines.push_back("GATEWAY=" + nic.gateway);
  }
  return ReplaceKeys(
      text, {"BOOTPROTO", "IPADDR", "NETMASK", "PREFIX", "GATEWAY", "BROADCAST", "NETWORK"}, lines);
}

std::string DropRedHatGateway(const std::string& text) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  std::erase_if(lines, [](const std::string& line) { return Key(line) == "GATEWAY"; });
  return absl::StrJoin(lines, "\n");
}

std::string EditSuseIfcfg(const std::string& text, const Nic& nic) {
  std::vector<std::string> lines = {nic.reset_to_dhcp ? "BOOTPROTO='dhcp'" : "BOOTPROTO='static'"};
  if (!nic.reset_to_dhcp) lines.push_back(absl::StrCat("IPADDR='", nic.static_address, "'"));
  return ReplaceKeys(text, {"BOOTPROTO", "IPADDR", "NETMASK", "PREFIXLEN", "BROADCAST", "NETWORK"},
                     lines);
}

std::string EditSuseRoutes(const std::string& text, const Nic& nic, bool add) {
  std::vector<std::string> lines;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    const bool is_default = !words.empty() && (words[0] == "default" || words[0] == "0.0.0.0/0");
    // A default route by IPv6 stays.
    if (is_default && words.size() > 1 && !absl::StrContains(words[1], ":")) continue;
    lines.emplace_back(line);
  }
  std::string edited = absl::StrJoin(lines, "\n");
  if (!add) return edited;
  if (!edited.empty() && edited.back() != '\n') edited.push_back('\n');
  return absl::StrCat(edited, "default ", nic.gateway, " - -\n");
}

bool IsIfcfgOf(const std::string& file_name, const std::string& text, const Nic& nic) {
  if (absl::StrContains(file_name, ".pre-migration")) return false;
  if (!nic.source_name.empty() && file_name == "ifcfg-" + nic.source_name) return true;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::string key = Key(line);
    const std::string value = Unquoted(line.substr(std::min(line.find('=') + 1, line.size())));
    if (key == "HWADDR" && absl::EqualsIgnoreCase(value, nic.mac_address)) return true;
    if (key == "DEVICE" && !nic.source_name.empty() && value == nic.source_name) return true;
  }
  return false;
}

std::string NewRedHatIfcfg(const Nic& nic) {
  return EditRedHatIfcfg(absl::StrCat("TYPE=Ethernet\nDEVICE=", nic.source_name, "\nONBOOT=yes\n"),
                         nic);
}

std::string NewSuseIfcfg(const Nic& nic) { return EditSuseIfcfg("STARTMODE='auto'\n", nic); }

}  // namespace godwit::convert

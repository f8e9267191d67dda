// Addresses in files of sections: NetworkManager's keyfiles and systemd's .network files.
#include <functional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/conversion/converter/address_text.h"

namespace godwit::convert {
namespace {

struct Line {
  std::string section, key, value;
};

Line Parse(absl::string_view text, const std::string& section) {
  const absl::string_view trimmed = absl::StripAsciiWhitespace(text);
  if (trimmed.empty() || trimmed[0] == '#' || trimmed[0] == ';') return {section, "", ""};
  if (trimmed[0] == '[') return {std::string(trimmed), "", ""};
  const std::size_t equal = trimmed.find('=');
  if (equal == absl::string_view::npos) return {section, "", ""};
  return {section, std::string(absl::StripAsciiWhitespace(trimmed.substr(0, equal))),
          std::string(absl::StripAsciiWhitespace(trimmed.substr(equal + 1)))};
}

// Lines of `section` for which `drop` is true are left out, `lines` come right behind its head; a
// new section at the end when there is none.
std::string EditSection(const std::string& text, const std::string& section,
                        const std::vector<std::string>& lines,
                        const std::function<bool(const Line&)>& drop) {
  std::vector<std::string> out;
  std::string present;
  bool placed = false;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const Line parsed = Parse(line, present);
    const bool head = parsed.section != present && parsed.key.empty();
    present = parsed.section;
    if (present == section && !parsed.key.empty() && drop(parsed)) continue;
    out.emplace_back(line);
    if (head && present == section && !placed) {
      out.insert(out.end(), lines.begin(), lines.end());
      placed = true;
    }
  }
  if (!placed) {
    while (!out.empty() && out.back().empty()) out.pop_back();
    out.insert(out.end(), {"", section});
    out.insert(out.end(), lines.begin(), lines.end());
    out.emplace_back("");
  }
  return absl::StrJoin(out, "\n");
}

bool AnyLine(const std::string& text, const std::function<bool(const Line&)>& is) {
  std::string section;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const Line parsed = Parse(line, section);
    section = parsed.section;
    if (is(parsed)) return true;
  }
  return false;
}

bool HasWord(const std::string& words, const std::string& word) {
  const std::vector<std::string> all = absl::StrSplit(words, ' ', absl::SkipEmpty());
  return !word.empty() && std::find(all.begin(), all.end(), word) != all.end();
}

}  // namespace

std::string EditKeyfile(const std::string& text, const Nic& nic) {
  std::vector<std::string> lines;
  if (nic.reset_to_dhcp) {
    lines = {"method=auto"};
  } else {
    const std::string gateway = nic.gateway.empty() ? "" : "," + nic.gateway;
    lines = {absl::StrCat("address1=", nic.static_address, gateway), "method=manual"};
  }
  return EditSection(text, "[ipv4]", lines, [](const Line& line) {
    return line.key == "method" || line.key == "gateway" || line.key == "addresses" ||
           (absl::StartsWith(line.key, "address") &&
            line.key.find_first_not_of("0123456789", 7) == std::string::npos);
  });
}

std::string EditNetworkd(const std::string& text, const Nic& nic) {
  std::vector<std::string> lines;
  if (nic.reset_to_dhcp) {
    lines = {"DHCP=yes"};
  } else {
    lines = {"DHCP=no", "Address=" + nic.static_address};
    if (!nic.gateway.empty()) lines.push_back("Gateway=" + nic.gateway);
  }
  const auto own = [](const Line& line) {
    const bool ipv6 = absl::StrContains(line.value, ":");
    return line.key == "DHCP" || ((line.key == "Address" || line.key == "Gateway") && !ipv6);
  };
  std::string edited = EditSection(text, "[Network]", lines, own);
  // The long form: [Address] and a default [Route].
  for (const char* section : {"[Address]", "[Route]"}) {
    if (!AnyLine(edited, [&](const Line& l) { return l.section == section && own(l); })) continue;
    edited = EditSection(edited, section, {}, [&](const Line& line) {
      return own(line) && !absl::StrContains(edited, "\nDestination=");
    });
  }
  return edited;
}

bool IsKeyfileOf(const std::string& text, const Nic& nic) {
  return AnyLine(text, [&](const Line& line) {
    if (line.section == "[connection]" && line.key == "interface-name")
      return !nic.source_name.empty() && line.value == nic.source_name;
    return (line.section == "[ethernet]" || line.section == "[802-3-ethernet]") &&
           line.key == "mac-address" && absl::EqualsIgnoreCase(line.value, nic.mac_address);
  });
}

bool IsNetworkdOf(const std::string& text, const Nic& nic) {
  return AnyLine(text, [&](const Line& line) {
    if (line.section != "[Match]") return false;
    if (line.key == "Name") return HasWord(line.value, nic.source_name);
    return (line.key == "MACAddress" || line.key == "PermanentMACAddress") &&
           HasWord(absl::AsciiStrToLower(line.value), absl::AsciiStrToLower(nic.mac_address));
  });
}

std::string NewKeyfile(const Nic& nic) {
  return EditKeyfile(
      absl::StrCat("[connection]\nid=", nic.source_name,
                   "\ntype=ethernet\ninterface-name=", nic.source_name, "\n\n[ipv4]\n"),
      nic);
}

std::string NewNetworkd(const Nic& nic) {
  return EditNetworkd(absl::StrCat("[Match]\nMACAddress=", absl::AsciiStrToLower(nic.mac_address),
                                   "\n\n[Network]\n"),
                      nic);
}

}  // namespace godwit::convert

#include "services/conversion/converter/network.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/edit_file.h"
#include "services/conversion/converter/editors.h"

namespace godwit::convert {
namespace {

constexpr char kStep[] = "network";
constexpr std::size_t kMacLength = 17;

// Where systems keep what names and configures cards: folder, beginning and end of the files'
// names. Sources: interfaces(5); sysconfig.txt of initscripts; ifcfg(5) of wicked and sysconfig;
// nm-settings-keyfile(5); netplan(5); systemd.network(5), systemd.link(5); udev(7); cloud-init's
// network configuration.
struct Place {
  const char *folder, *begin, *end;
};
constexpr Place kPlaces[] = {{"etc/network", "interfaces", ""},
                             {"etc/network/interfaces.d", "", ""},
                             {"etc/sysconfig/network-scripts", "ifcfg-", ""},
                             {"etc/sysconfig/network", "ifcfg-", ""},
                             {"etc/NetworkManager/system-connections", "", ""},
                             {"etc/NetworkManager/conf.d", "", ".conf"},
                             {"etc/netplan", "", ".yaml"},
                             {"etc/systemd/network", "", ".network"},
                             {"etc/systemd/network", "", ".netdev"},
                             {"etc/systemd/network", "", ".link"},
                             {"etc/cloud/cloud.cfg.d", "", ".cfg"},
                             {"etc/udev/rules.d", "", ".rules"}};

bool Hex(char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); }

// The address at `at` in one form: lower case, colons; nullopt when there is none.
std::optional<std::string> MacAt(absl::string_view text, std::size_t at) {
  if (at + kMacLength > text.size()) return std::nullopt;
  const auto part = [&](std::size_t i) { return i < text.size() && (Hex(text[i])); };
  // Not inside of something longer, such as an InfiniBand address.
  if (at > 0 && part(at - 1)) return std::nullopt;
  if (at > 1 && (text[at - 1] == ':' || text[at - 1] == '-') && part(at - 2)) return std::nullopt;
  const std::size_t end = at + kMacLength;
  if (part(end)) return std::nullopt;
  if (end < text.size() && (text[end] == ':' || text[end] == '-') && part(end + 1))
    return std::nullopt;
  std::string mac;
  for (std::size_t i = 0; i < kMacLength; ++i) {
    const char c = text[at + i];
    if (i % 3 == 2) {
      if ((c != ':' && c != '-') || c != text[at + 2]) return std::nullopt;
      mac.push_back(':');
    } else {
      if (!Hex(c)) return std::nullopt;
      mac.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
    }
  }
  return mac;
}

constexpr char kRules[] = "etc/udev/rules.d/70-persistent-net.rules";

bool IsBackup(const std::string& name) { return absl::StrContains(name, ".pre-migration"); }

}  // namespace

std::string ReplaceMac(const std::string& text, const std::string& from, const std::string& to) {
  const std::optional<std::string> wanted = MacAt(from, 0), given = MacAt(to, 0);
  if (!wanted || !given || from.size() != kMacLength) return text;
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (MacAt(text, at) != wanted) {
      out.push_back(text[at++]);
      continue;
    }
    const absl::string_view there = absl::string_view(text).substr(at, kMacLength);
    const bool upper = std::any_of(there.begin(), there.end(), [](char c) {
      return absl::ascii_isupper(static_cast<unsigned char>(c));
    });
    std::string mac = upper ? absl::AsciiStrToUpper(*given) : *given;
    std::replace(mac.begin(), mac.end(), ':', there[2]);
    out += mac;
    at += kMacLength;
  }
  return out;
}

std::string DropForeignPins(const std::string& text, const std::vector<std::string>& macs) {
  std::vector<std::string> kept;
  bool rule = false;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const absl::string_view trimmed = absl::StripAsciiWhitespace(line);
    const std::size_t match = trimmed.find("ATTR{address}");
    if (match != absl::string_view::npos && absl::StrContains(trimmed, "NAME=") &&
        trimmed[0] != '#') {
      const std::size_t quote = trimmed.find('"', match);
      const std::optional<std::string> mac =
          quote == absl::string_view::npos ? std::nullopt : MacAt(trimmed, quote + 1);
      const auto is = [&](const std::string& own) { return mac && MacAt(own, 0) == mac; };
      if (std::none_of(macs.begin(), macs.end(), is)) continue;
    }
    if (!trimmed.empty() && trimmed[0] != '#') rule = true;
    kept.emplace_back(line);
  }
  return rule ? absl::StrJoin(kept, "\n") : "";
}

CardNaming FindCardNaming(const GuestRoot& root) {
  const auto has = [&](const std::string& path) {
    return root.Exists("usr/" + path) || root.Exists(path);
  };
  const std::string rules = "lib/udev/rules.d/";
  if (has(rules + "80-net-setup-link.rules") || has("lib/systemd/network/99-default.link"))
    return CardNaming::kLinkFiles;
  // systemd 197 to 210, and udev that writes its own rules.
  const bool old =
      has(rules + "80-net-name-slot.rules") || has(rules + "75-persistent-net-generator.rules");
  if (!old && (has("lib/systemd/systemd-udevd") || has("bin/udevadm")))
    return CardNaming::kLinkFiles;
  return old || root.Exists("sbin/udevd") || root.Exists("etc/udev/rules.d")
             ? CardNaming::kUdevRules
             : CardNaming::kNone;
}

std::string AddPin(const std::string& rules, const std::string& mac, const std::string& name) {
  for (const absl::string_view line : absl::StrSplit(rules, '\n')) {
    if (absl::StartsWith(absl::StripLeadingAsciiWhitespace(line), "#")) continue;
    if (absl::StrContains(absl::AsciiStrToLower(line), absl::AsciiStrToLower(mac))) return rules;
  }
  const bool open = !rules.empty() && rules.back() != '\n';
  return absl::StrCat(rules, open ? "\n" : "",
                      "SUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"?*\", ATTR{address}==\"",
                      absl::AsciiStrToLower(mac), "\", ATTR{type}==\"1\", NAME=\"", name, "\"\n");
}

namespace {

// What an edited file of pins holds at last: with new pins none is empty.
std::string PinNames(std::string rules, CardNaming naming, const std::vector<Nic>& nics) {
  for (const Nic& nic : nics) {
    if (naming == CardNaming::kUdevRules && !nic.source_name.empty() && !nic.mac_address.empty())
      rules = AddPin(rules, nic.mac_address, nic.source_name);
  }
  return rules;
}

absl::Status KeepNames(GuestRoot& root, const std::vector<Nic>& nics) {
  const CardNaming naming = FindCardNaming(root);
  for (const Nic& nic : nics) {
    if (nic.source_name.empty() || nic.mac_address.empty() || naming != CardNaming::kLinkFiles)
      continue;
    RETURN_IF_ERROR(root.Write(
        kStep, absl::StrCat("etc/systemd/network/10-godwit-", nic.source_name, ".link"),
        LinkFile(absl::AsciiStrToLower(nic.mac_address), nic.source_name),
        absl::StrCat("the card ", nic.mac_address, " keeps the name ", nic.source_name)));
  }
  const std::string before = root.Read(kRules, kMaxConfiguration).value_or("");
  const std::string rules = PinNames(before, naming, nics);
  return rules == before ? absl::OkStatus()
                         : root.Write(kStep, kRules, rules, "the cards keep their names");
}

}  // namespace

absl::Status ConvertNetwork(GuestRoot& root, const std::vector<Nic>& nics) {
  std::vector<std::string> macs;
  const CardNaming naming = FindCardNaming(root);
  for (const Nic& nic : nics) macs.push_back(nic.mac_address);
  for (const Place& place : kPlaces) {
    for (const std::string& name : root.List(place.folder)) {
      if (!absl::StartsWith(name, place.begin) || !absl::EndsWith(name, place.end) ||
          IsBackup(name)) {
        continue;
      }
      const std::string path = absl::StrCat(place.folder, "/", name);
      const absl::StatusOr<std::string> text = root.Read(path, kMaxConfiguration);
      if (!text.ok()) continue;  // a folder, or no configuration that a system would read
      std::string edited = *text;
      for (const Nic& nic : nics)
        edited = ReplaceMac(edited, nic.source_mac_address, nic.mac_address);
      if (name == "70-persistent-net.rules" && !macs.empty())
        edited = PinNames(DropForeignPins(edited, macs), naming, nics);
      if (edited.empty() && !text->empty()) {
        RETURN_IF_ERROR(root.Write(kStep, path + ".pre-migration", *text, "the rules as they were",
                                   /*keep=*/false));
        RETURN_IF_ERROR(root.Remove(kStep, path, "names pinned to cards that are gone"));
      } else {
        RETURN_IF_ERROR(root.Write(kStep, path, edited, "the new cards' hardware addresses"));
      }
    }
  }
  return KeepNames(root, nics);
}

}  // namespace godwit::convert

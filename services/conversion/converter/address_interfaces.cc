// Addresses in /etc/network/interfaces.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/conversion/converter/address_text.h"

namespace godwit::convert {
namespace {

std::vector<std::string> Words(absl::string_view line) {
  return absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
}

// interfaces(5): words that begin a stanza, and so end the one before.
bool BeginsStanza(const std::vector<std::string>& words) {
  if (words.empty()) return false;
  for (const char* word : {"iface", "mapping", "auto", "source", "source-directory", "rename",
                           "no-auto-down", "no-scripts", "template"}) {
    if (words[0] == word) return true;
  }
  return absl::StartsWith(words[0], "allow-");
}

bool IsOwn(const std::vector<std::string>& words, const Nic& nic) {
  return words.size() >= 3 && words[0] == "iface" && !nic.source_name.empty() &&
         words[1] == nic.source_name && words[2] == "inet";
}

std::vector<std::string> Settings(const Nic& nic) {
  if (nic.reset_to_dhcp) return {};
  std::vector<std::string> lines = {"    address " + PlainAddress(nic),
                                    "    netmask " + Netmask(nic)};
  if (!nic.gateway.empty()) lines.push_back("    gateway " + nic.gateway);
  return lines;
}

}  // namespace

std::string EditInterfaces(const std::string& text, const Nic& nic) {
  std::vector<std::string> out;
  bool inside = false, placed = false;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<std::string> words = Words(line);
    if (BeginsStanza(words)) {
      inside = IsOwn(words, nic);
      // A second stanza of the same card would add to the first: none is left of it.
      if (inside && placed) continue;
      if (inside) {
        out.push_back(absl::StrCat("iface ", nic.source_name, " inet ",
                                   nic.reset_to_dhcp ? "dhcp" : "static"));
        const std::vector<std::string> lines = Settings(nic);
        out.insert(out.end(), lines.begin(), lines.end());
        placed = true;
        continue;
      }
    }
    const bool own = inside && !words.empty() &&
                     (words[0] == "address" || words[0] == "netmask" || words[0] == "gateway" ||
                      words[0] == "broadcast" || words[0] == "network" || words[0] == "metric");
    if (!own) out.emplace_back(line);
  }
  return absl::StrJoin(out, "\n");
}

bool HasInterface(const std::string& text, const Nic& nic) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (IsOwn(Words(line), nic)) return true;
  }
  return false;
}

std::string NewInterface(const Nic& nic) {
  return EditInterfaces(
      absl::StrCat("\nauto ", nic.source_name, "\niface ", nic.source_name, " inet dhcp\n"), nic);
}

}  // namespace godwit::convert

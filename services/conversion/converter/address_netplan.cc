// Addresses in Netplan's YAML, and in cloud-init's version 2 of it: as much of YAML as block style
// by indentation. What is written otherwise is left alone.
#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/conversion/converter/address_text.h"

namespace godwit::convert {
namespace {

using Lines = std::vector<std::string>;

bool IsContent(const std::string& line) {
  const absl::string_view trimmed = absl::StripAsciiWhitespace(line);
  return !trimmed.empty() && trimmed[0] != '#';
}

std::size_t Indent(const std::string& line) {
  return std::min(line.find_first_not_of(' '), line.size());
}

std::string Unquoted(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text.substr(0, text.find(" #")));
  if (text.size() >= 2 && (text[0] == '"' || text[0] == '\'') && text.back() == text[0])
    text = text.substr(1, text.size() - 2);
  return std::string(text);
}

// "key" of a line "key: value"; "" when it is none.
std::string Key(const std::string& line) {
  const absl::string_view trimmed = absl::StripAsciiWhitespace(line);
  const std::size_t colon = trimmed.find(':');
  if (!IsContent(line) || colon == absl::string_view::npos || trimmed[0] == '-') return "";
  if (colon + 1 < trimmed.size() && trimmed[colon + 1] != ' ') return "";
  return Unquoted(trimmed.substr(0, colon));
}

std::string Value(const std::string& line) {
  const std::size_t colon = line.find(':');
  return colon == std::string::npos ? "" : Unquoted(absl::string_view(line).substr(colon + 1));
}

// One past the last line of what `lines[at]` is the head of. The items of a sequence may stand at
// the head's own indentation.
std::size_t BlockEnd(const Lines& lines, std::size_t at) {
  const std::size_t indent = Indent(lines[at]);
  std::size_t end = at + 1;
  for (std::size_t i = at + 1; i < lines.size(); ++i) {
    if (!IsContent(lines[i])) continue;
    const bool item = Indent(lines[i]) == indent && lines[i][indent] == '-';
    if (Indent(lines[i]) < indent || (Indent(lines[i]) == indent && !item)) break;
    end = i + 1;
  }
  return end;
}

// The children of the mapping headed by `lines[at]`: lines of the first deeper indentation.
std::vector<std::size_t> Children(const Lines& lines, std::size_t at) {
  std::vector<std::size_t> children;
  std::size_t indent = 0;
  for (std::size_t i = at + 1; i < BlockEnd(lines, at); ++i) {
    if (!IsContent(lines[i])) continue;
    if (indent == 0) indent = Indent(lines[i]);
    if (Indent(lines[i]) == indent && !Key(lines[i]).empty()) children.push_back(i);
  }
  return children;
}

std::optional<std::size_t> Child(const Lines& lines, std::size_t at, const std::string& key) {
  for (const std::size_t child : Children(lines, at)) {
    if (Key(lines[child]) == key) return child;
  }
  return std::nullopt;
}

bool IsEntryOf(const Lines& lines, std::size_t entry, const Nic& nic) {
  if (!nic.source_name.empty() && Key(lines[entry]) == nic.source_name) return true;
  const auto name = Child(lines, entry, "set-name");
  if (name && !nic.source_name.empty() && Value(lines[*name]) == nic.source_name) return true;
  for (std::size_t i = entry; i < BlockEnd(lines, entry); ++i) {
    if (absl::StrContains(lines[i], "macaddress") &&
        absl::StrContains(absl::AsciiStrToLower(lines[i]), absl::AsciiStrToLower(nic.mac_address)))
      return true;
  }
  return false;
}

// The entries of the card; heads in flow style ("ens3: {...}") are none.
std::optional<std::size_t> FindEntry(const Lines& lines, const Nic& nic) {
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (Key(lines[i]) != "ethernets" || !Value(lines[i]).empty()) continue;
    for (const std::size_t entry : Children(lines, i)) {
      if (Value(lines[entry]).empty() && IsEntryOf(lines, entry, nic)) return entry;
    }
  }
  return std::nullopt;
}

// Items "- ..." of the sequence headed by lines[at]: [first, last) lines of each.
std::vector<std::pair<std::size_t, std::size_t>> Items(const Lines& lines, std::size_t at) {
  std::vector<std::pair<std::size_t, std::size_t>> items;
  const std::size_t end = BlockEnd(lines, at);
  std::optional<std::size_t> indent;
  for (std::size_t i = at + 1; i < end; ++i) {
    if (!IsContent(lines[i])) continue;
    if (!indent) indent = Indent(lines[i]);
    if (Indent(lines[i]) == *indent && lines[i][*indent] == '-') {
      if (!items.empty()) items.back().second = i;
      items.emplace_back(i, end);
    }
  }
  return items;
}

// Text of the items that stay: those for which `drop` is false.
Lines Kept(const Lines& lines, std::size_t at, const std::string& pad,
           bool (*drop)(const std::string& item)) {
  Lines kept;
  for (const auto& [from, to] : Items(lines, at)) {
    std::string item;
    for (std::size_t i = from; i < to; ++i) absl::StrAppend(&item, lines[i], "\n");
    if (drop(item)) continue;
    const std::size_t indent = Indent(lines[from]);
    for (std::size_t i = from; i < to; ++i)
      kept.push_back(absl::StrCat(pad, lines[i].substr(std::min(indent, lines[i].size()))));
  }
  return kept;
}

bool IsIpv4Item(const std::string& item) { return !absl::StrContains(item, ":"); }
bool IsDefaultRoute(const std::string& item) {
  const bool all = absl::StrContains(item, "default") || absl::StrContains(item, "0.0.0.0/0");
  return all && !absl::StrContains(item, "::");
}

}  // namespace

std::string EditNetplan(const std::string& text, const Nic& nic) {
  const Lines lines = absl::StrSplit(text, '\n');
  const std::optional<std::size_t> entry = FindEntry(lines, nic);
  if (!entry) return text;
  const std::size_t end = BlockEnd(lines, *entry);
  const std::vector<std::size_t> children = Children(lines, *entry);
  const std::size_t indent =
      children.empty() ? Indent(lines[*entry]) + 2 : Indent(lines[children.front()]);
  const std::string pad(indent, ' '), deeper(indent + 2, ' ');
  Lines addresses, routes, rest;
  for (std::size_t i = *entry + 1; i < end;) {
    const bool child = std::find(children.begin(), children.end(), i) != children.end();
    const std::string key = child ? Key(lines[i]) : "";
    const std::size_t to = child ? std::min(BlockEnd(lines, i), end) : i + 1;
    if (key == "addresses" && Value(lines[i]).empty()) {
      addresses = Kept(lines, i, deeper, IsIpv4Item);
    } else if (key == "addresses") {
      for (const absl::string_view word :
           absl::StrSplit(Value(lines[i]), absl::ByAnyChar("[], "))) {
        if (absl::StrContains(word, ":")) addresses.push_back(absl::StrCat(deeper, "- ", word));
      }
    } else if (key == "routes" && !Value(lines[i]).empty()) {
      return text;  // in flow style
    } else if (key == "routes") {
      routes = Kept(lines, i, deeper, IsDefaultRoute);
    } else if (key != "dhcp4" && key != "gateway4") {
      rest.insert(rest.end(), lines.begin() + static_cast<std::ptrdiff_t>(i),
                  lines.begin() + static_cast<std::ptrdiff_t>(to));
    }
    i = to;
  }
  Lines own = {absl::StrCat(pad, "dhcp4: ", nic.reset_to_dhcp ? "true" : "false")};
  if (!nic.reset_to_dhcp) {
    addresses.insert(addresses.begin(), absl::StrCat(deeper, "- ", nic.static_address));
    // "default" is known to Netplan from 0.103 on, 0.0.0.0/0 to all.
    if (!nic.gateway.empty()) {
      routes.insert(routes.begin(), {absl::StrCat(deeper, "- to: 0.0.0.0/0"),
                                     absl::StrCat(deeper, "  via: ", nic.gateway)});
    }
  }
  if (!addresses.empty()) own.push_back(pad + "addresses:");
  own.insert(own.end(), addresses.begin(), addresses.end());
  if (!routes.empty()) own.push_back(pad + "routes:");
  own.insert(own.end(), routes.begin(), routes.end());
  Lines out(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(*entry) + 1);
  out.insert(out.end(), own.begin(), own.end());
  out.insert(out.end(), rest.begin(), rest.end());
  out.insert(out.end(), lines.begin() + static_cast<std::ptrdiff_t>(end), lines.end());
  return absl::StrJoin(out, "\n");
}

std::string NewNetplan(const Nic& nic) {
  return EditNetplan(absl::StrCat("network:\n  version: 2\n  ethernets:\n    ", nic.source_name,
                                  ":\n      match:\n        macaddress: \"",
                                  absl::AsciiStrToLower(nic.mac_address),
                                  "\"\n      set-name: ", nic.source_name, "\n"),
                     nic);
}

}  // namespace godwit::convert

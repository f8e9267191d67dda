#include "services/conversion/converter/root_choice.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace godwit::convert {
namespace {

struct Entry {
  std::string title, id, root;
};

// The text between the first two quotes of one kind from `at` on.
std::string Quoted(absl::string_view line, std::size_t at = 0) {
  const std::size_t open = line.find_first_of("'\"", at);
  if (open == absl::string_view::npos) return "";
  const std::size_t close = line.find(line[open], open + 1);
  return close == absl::string_view::npos ? ""
                                          : std::string(line.substr(open + 1, close - open - 1));
}

std::string RootOf(absl::string_view line) {
  for (const absl::string_view word :
       absl::StrSplit(line, absl::ByAnyChar(" \t\"'"), absl::SkipEmpty())) {
    if (absl::StartsWith(word, "root=")) return std::string(word.substr(5));
  }
  return "";
}

std::string EnvironmentValue(absl::string_view text, absl::string_view key) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> sides = absl::StrSplit(line, absl::MaxSplits('=', 1));
    if (sides.size() == 2 && sides[0] == key) return std::string(sides[1]);
  }
  return "";
}

}  // namespace

std::string DefaultRoot(const std::string& grub_cfg, const std::string& environment) {
  std::vector<Entry> entries;  // of the first level; an entry of a submenu counts for it
  std::string chosen, saved = EnvironmentValue(environment, "saved_entry");
  bool submenu = false;
  for (const absl::string_view line : absl::StrSplit(grub_cfg, '\n')) {
    const absl::string_view text = absl::StripAsciiWhitespace(line);
    const bool indented = !line.empty() && (line[0] == ' ' || line[0] == '\t');
    if (absl::StartsWith(text, "set default=") && chosen.empty()) {
      chosen = std::string(text.substr(12));
      if (chosen.size() >= 2 && (chosen[0] == '"' || chosen[0] == '\''))
        chosen = chosen.substr(1, chosen.size() - 2);
      // "${next_entry}" comes first in the text and is of one boot alone.
      if (absl::StrContains(chosen, "next_entry")) chosen.clear();
      if (absl::StrContains(chosen, "saved_entry")) chosen = saved;
    }
    const bool menu = absl::StartsWith(text, "submenu ");
    if (!menu && !absl::StartsWith(text, "menuentry ")) {
      const bool kernel = absl::StartsWith(text, "linux");
      if (kernel && !entries.empty() && entries.back().root.empty())
        entries.back().root = RootOf(text);
      continue;
    }
    if (!indented) submenu = menu;
    if (indented && submenu) continue;
    if (entries.size() < 1000) {
      const std::size_t id = text.find("menuentry_id_option");
      entries.push_back({Quoted(text), id == absl::string_view::npos ? "" : Quoted(text, id), ""});
    }
  }
  // "1>2" is an entry of a submenu.
  chosen = chosen.substr(0, chosen.find('>'));
  int number = 0;
  if (absl::SimpleAtoi(chosen, &number) && number >= 0 &&
      static_cast<std::size_t>(number) < entries.size() &&
      !entries[static_cast<std::size_t>(number)].root.empty()) {
    return entries[static_cast<std::size_t>(number)].root;
  }
  for (const Entry& entry : entries) {
    if (!chosen.empty() && (entry.title == chosen || entry.id == chosen) && !entry.root.empty())
      return entry.root;
  }
  for (const Entry& entry : entries) {
    if (!entry.root.empty()) return entry.root;
  }
  return "";
}

std::string EntryRoot(const std::string& entry, const std::string& environment) {
  for (const absl::string_view line : absl::StrSplit(entry, '\n')) {
    if (!absl::StartsWith(line, "options")) continue;
    std::string root = RootOf(line);
    if (!root.empty() || !absl::StrContains(line, "$kernelopts")) return root;
    return RootOf(EnvironmentValue(environment, "kernelopts"));
  }
  return "";
}

std::string SavedEntry(const std::string& environment) {
  return EnvironmentValue(environment, "saved_entry");
}

RootChoice ChooseRoot(const std::vector<Candidate>& candidates,
                      const std::vector<std::size_t>& roots) {
  for (const std::size_t root : roots) {
    if (root < candidates.size()) return {root, "the boot loader's default entry names it"};
  }
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (candidates[i].boots) return {i, "it is the first one with a kernel and its modules"};
  }
  return {0, "it is the first one"};
}

}  // namespace godwit::convert

#include "services/conversion/converter/boot_menu.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace godwit::convert {
namespace {

constexpr std::size_t kMaxEntries = 256;
constexpr std::size_t kMaxNesting = 8;
constexpr std::size_t kGrubEnvironmentBytes = 1024;

std::vector<std::string> Words(absl::string_view line) {
  return absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
}

// The text between the first pair of quotes, else the second word.
std::string Quoted(const std::string& line) {
  const std::size_t open = line.find_first_of("'\"");
  if (open == std::string::npos) {
    const std::vector<std::string> words = Words(line);
    return words.size() > 1 ? words[1] : "";
  }
  const std::size_t close = line.find(line[open], open + 1);
  return close == std::string::npos ? "" : line.substr(open + 1, close - open - 1);
}

// menuentry 'Title' --class x $menuentry_id_option 'id' {
std::string MenuEntryId(const std::string& line) {
  for (const absl::string_view option : {"$menuentry_id_option ", "--id "}) {
    const std::size_t at = line.find(std::string(option));
    if (at != std::string::npos) return Quoted(line.substr(at));
  }
  return "";
}

void ParseGrub2(const std::vector<std::string>& lines, BootMenu* menu) {
  struct Level {
    int next = 0;
    bool entry = false;
  };
  std::vector<Level> levels(1);
  for (const std::string& line : lines) {
    const std::vector<std::string> words = Words(line);
    if (words.empty()) continue;
    const bool entry = words[0] == "menuentry", submenu = words[0] == "submenu";
    if ((entry || submenu) && absl::EndsWith(absl::StripAsciiWhitespace(line), "{")) {
      if (levels.size() > kMaxNesting || levels.back().entry) continue;
      if (entry && menu->entries.size() < kMaxEntries) {
        std::vector<std::string> path;
        for (const Level& level : levels)
          path.push_back(absl::StrCat(&level == &levels.back() ? level.next : level.next - 1));
        menu->entries.push_back({.id = absl::StrJoin(path, ">"), .title = Quoted(line)});
        if (const std::string id = MenuEntryId(line); !id.empty()) {
          // Either names it; a default uses one of them.
          menu->entries.back().title += "\n" + id;
        }
      }
      ++levels.back().next;
      levels.push_back({.entry = entry});
    } else if (words[0] == "}" && levels.size() > 1) {
      levels.pop_back();
    } else if (levels.back().entry && !menu->entries.empty() && words.size() > 1 &&
               menu->entries.back().kernel.empty() &&
               (absl::StartsWith(words[0], "linux") || absl::StartsWith(words[0], "multiboot"))) {
      menu->entries.back().kernel = words[1];
    } else if (words[0] == "set" && words.size() > 1 && absl::StartsWith(words[1], "default=")) {
      const std::string value = Quoted(line.substr(line.find("default=") + 8));
      const std::string plain = value.empty() ? words[1].substr(8) : value;
      // One branch is for the next boot only.
      if (!absl::StrContains(plain, "next_entry")) menu->chosen = plain;
    }
  }
}

void ParseLegacy(const std::vector<std::string>& lines, BootMenu* menu) {
  for (const std::string& line : lines) {
    std::string spaced = line;
    if (const std::size_t equal = spaced.find('=');
        equal != std::string::npos && absl::StartsWith(spaced, "default"))
      spaced[equal] = ' ';
    const std::vector<std::string> words = Words(spaced);
    if (words.size() < 2) continue;
    if (words[0] == "default") menu->chosen = words[1];
    if (words[0] == "title" && menu->entries.size() < kMaxEntries)
      menu->entries.push_back({.id = absl::StrCat(menu->entries.size())});
    if (words[0] != "kernel" || menu->entries.empty()) continue;
    for (std::size_t i = 1; i < words.size() && menu->entries.back().kernel.empty(); ++i) {
      if (!absl::StartsWith(words[i], "--"))
        menu->entries.back().kernel =
            words[i].substr(words[i].find('/') == std::string::npos ? 0 : words[i].find('/'));
    }
  }
}

void ParseExtlinux(const std::vector<std::string>& lines, BootMenu* menu) {
  for (const std::string& line : lines) {
    const std::vector<std::string> words = Words(line);
    if (words.size() < 2) continue;
    const std::string key = absl::AsciiStrToLower(words[0]);
    if (key == "default") menu->chosen = words[1];
    if (key == "label" && menu->entries.size() < kMaxEntries) menu->entries.push_back({words[1]});
    if ((key == "linux" || key == "kernel") && !menu->entries.empty())
      menu->entries.back().kernel = words[1];
  }
}

}  // namespace

std::optional<std::size_t> BootMenu::Default() const {
  if (entries.empty()) return std::nullopt;
  if (chosen.empty()) return 0;
  const std::string last = chosen.substr(chosen.rfind('>') + 1);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].id == chosen) return i;
    for (const absl::string_view title : absl::StrSplit(entries[i].title, '\n')) {
      if (!title.empty() && (title == last || title == chosen)) return i;
    }
  }
  return std::nullopt;
}

BootMenu ParseBootMenu(BootSyntax syntax, const std::string& text) {
  BootMenu menu;
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  if (syntax == BootSyntax::kGrub2) ParseGrub2(lines, &menu);
  if (syntax == BootSyntax::kGrubLegacy) ParseLegacy(lines, &menu);
  if (syntax == BootSyntax::kExtlinux) ParseExtlinux(lines, &menu);
  return menu;
}

std::string SetBootDefault(BootSyntax syntax, const std::string& text, const std::string& id) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  bool done = false;
  for (std::string& line : lines) {
    const absl::string_view trimmed = absl::StripLeadingAsciiWhitespace(line);
    const std::string indent = line.substr(0, line.size() - trimmed.size());
    if (syntax == BootSyntax::kGrub2) {
      if (!absl::StartsWith(trimmed, "set default=") || absl::StrContains(trimmed, "$")) continue;
      line = absl::StrCat(indent, "set default=\"", id, "\"");
    } else if (syntax == BootSyntax::kGrubLegacy) {
      if (!absl::StartsWith(trimmed, "default ") && !absl::StartsWith(trimmed, "default="))
        continue;
      line = absl::StrCat(trimmed.substr(0, 8), id);
    } else if (syntax == BootSyntax::kExtlinux) {
      if (!absl::StartsWithIgnoreCase(trimmed, "default ")) continue;
      line = absl::StrCat(trimmed.substr(0, 8), id);
    } else {
      continue;
    }
    done = true;
  }
  const std::string edited = absl::StrJoin(lines, "\n");
  if (done || syntax == BootSyntax::kGrub2) return edited;
  return absl::StrCat(syntax == BootSyntax::kExtlinux ? "DEFAULT " : "default ", id, "\n", edited);
}

std::string GrubVariable(const std::string& block, const std::string& key) {
  for (const absl::string_view line : absl::StrSplit(block, '\n')) {
    if (absl::StartsWith(line, key + "=")) return std::string(line.substr(key.size() + 1));
  }
  return "";
}

std::string SetGrubVariable(const std::string& block, const std::string& key,
                            const std::string& value) {
  if (!absl::StartsWith(block, "# GRUB Environment Block\n")) return block;
  std::vector<std::string> lines = absl::StrSplit(block, '\n');
  while (!lines.empty() && lines.back().find_first_not_of('#') == std::string::npos)
    lines.pop_back();
  std::erase_if(lines, [&](const std::string& l) { return absl::StartsWith(l, key + "="); });
  lines.push_back(absl::StrCat(key, "=", value));
  std::string edited = absl::StrJoin(lines, "\n") + "\n";
  if (edited.size() > kGrubEnvironmentBytes) return block;
  edited.resize(kGrubEnvironmentBytes, '#');
  return edited;
}

}  // namespace godwit::convert

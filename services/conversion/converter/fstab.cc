#include "services/conversion/converter/fstab.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/conversion/converter/names.h"

namespace godwit::convert {
namespace {

constexpr std::size_t kMaxEntries = 1000;

std::vector<std::string> Words(absl::string_view line) {
  std::vector<std::string> words =
      absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
  if (!words.empty() && words[0][0] == '#') words.clear();
  return words;
}

// Patterns that a kernel name of a disk is in. "/dev/mapper", "/dev/md" and loop devices are the
// same on the target.
bool NamesADisk(absl::string_view text) {
  for (const absl::string_view part :
       {"/dev/sd", "/dev/hd", "/dev/vd", "/dev/xvd", "/dev/nvme", "/dev/cciss", "/dev/disk/by-id",
        "/dev/disk/by-path", "/dev/dasd", "|sd", "|hd", "|vd", "|xvd", "|nvme", "^sd", "^hd",
        "^vd"}) {
    if (absl::StrContains(text, part)) return true;
  }
  return false;
}

}  // namespace

std::string FstabEntry::Option(const std::string& key) const {
  for (const absl::string_view option : absl::StrSplit(options, ',')) {
    if (absl::StartsWith(option, key + "=")) return std::string(option.substr(key.size() + 1));
  }
  return "";
}

std::vector<FstabEntry> ParseFstab(const std::string& text) {
  std::vector<FstabEntry> entries;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<std::string> words = Words(line);
    if (words.size() < 3 || entries.size() >= kMaxEntries) continue;
    FstabEntry entry{.device = UnescapeFstab(words[0]),
                     .mount_point = UnescapeFstab(words[1]),
                     .type = words[2],
                     .options = words.size() > 3 ? words[3] : ""};
    // "/boot/" is "/boot".
    while (entry.mount_point.size() > 1 && entry.mount_point.back() == '/')
      entry.mount_point.pop_back();
    if (!absl::StrContains(entry.mount_point, "..")) entries.push_back(std::move(entry));
  }
  return entries;
}

std::vector<CrypttabEntry> ParseCrypttab(const std::string& text) {
  std::vector<CrypttabEntry> entries;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<std::string> words = Words(line);
    if (words.size() < 2 || entries.size() >= kMaxEntries) continue;
    entries.push_back({.name = words[0],
                       .device = words[1],
                       .key = words.size() > 2 ? words[2] : "",
                       .options = words.size() > 3 ? words[3] : ""});
  }
  return entries;
}

std::string EditCrypttab(const std::string& text, const StableName& stable,
                         std::vector<std::string>* unresolved) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (std::string& line : lines) {
    const std::vector<std::string> words = Words(line);
    if (words.size() < 2 || !(absl::StartsWith(words[1], "/dev/") || IsTag(words[1]))) continue;
    // Swap with a key of its own at every boot is on what it was; /dev/urandom is a key, not here.
    const std::optional<std::string> name = stable(words[1]);
    if (!name) {
      unresolved->push_back(words[1]);
      continue;
    }
    const std::size_t at = line.find(words[1], line.find(words[0]) + words[0].size());
    line.replace(at, words[1].size(), *name);
  }
  return absl::StrJoin(lines, "\n");
}

std::string EditMdadm(const std::string& text) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (std::string& line : lines) {
    const std::vector<std::string> words = Words(line);
    if (words.empty() || !NamesADisk(line)) continue;
    if (absl::EqualsIgnoreCase(words[0], "device")) {
      line = "DEVICE partitions containers";
    } else if (absl::EqualsIgnoreCase(words[0], "array")) {
      std::vector<std::string> kept;
      for (const std::string& word : words) {
        if (!absl::StartsWithIgnoreCase(word, "devices=")) kept.push_back(word);
      }
      line = absl::StrJoin(kept, " ");
    }
  }
  return absl::StrJoin(lines, "\n");
}

std::string EditLvm(const std::string& text) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const absl::string_view trimmed = absl::StripLeadingAsciiWhitespace(lines[i]);
    const bool list = absl::StartsWith(trimmed, "filter") ||
                      absl::StartsWith(trimmed, "global_filter") ||
                      absl::StartsWith(trimmed, "scan ") || absl::StartsWith(trimmed, "scan=");
    const bool setting = absl::StartsWith(trimmed, "use_devicesfile");
    if (!list && !setting) continue;
    // A list may go on over lines, up to its bracket.
    std::size_t end = i;
    if (absl::StrContains(lines[i], "[")) {
      while (end + 1 < lines.size() && end < i + 100 && !absl::StrContains(lines[end], "]")) ++end;
    }
    const auto first = lines.begin() + static_cast<std::ptrdiff_t>(i);
    const auto last = lines.begin() + static_cast<std::ptrdiff_t>(end);
    if (list && std::none_of(first, last + 1, NamesADisk)) continue;
    for (auto line = first; line <= last; ++line) *line = "# before the migration: " + *line;
    i = end;
  }
  return absl::StrJoin(lines, "\n");
}

}  // namespace godwit::convert

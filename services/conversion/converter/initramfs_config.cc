#include "services/conversion/converter/initramfs_config.h"

#include <algorithm>
#include <functional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/edit_file.h"

namespace godwit::convert {
namespace {

constexpr char kStep[] = "initramfs";
constexpr char kDracut[] = "etc/dracut.conf.d/90-godwit.conf";

// Adds the missing ones of `more` to the words between the first `open` and the `close` behind it
// on the line that assigns to `key`; a line of its own at the end when none does.
std::string AddWords(const std::string& text, const std::string& key, const std::string& open,
                     const std::string& close, const std::vector<std::string>& more) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (std::string& line : lines) {
    const std::string begin = absl::StrCat(key, "=", open);
    const absl::string_view trimmed = absl::StripLeadingAsciiWhitespace(line);
    if (!absl::StartsWith(trimmed, begin)) continue;
    const std::size_t from = line.size() - trimmed.size() + begin.size();
    const std::size_t to = line.find(close, from);
    if (to == std::string::npos) return text;  // goes on over lines: left to its owner
    std::vector<std::string> words =
        absl::StrSplit(line.substr(from, to - from), absl::ByAnyChar(" \t"), absl::SkipEmpty());
    const std::size_t before = words.size();
    for (const std::string& word : more) {
      if (std::find(words.begin(), words.end(), word) == words.end()) words.push_back(word);
    }
    if (words.size() == before) return text;
    line = absl::StrCat(line.substr(0, from), absl::StrJoin(words, " "), line.substr(to));
    return absl::StrJoin(lines, "\n");
  }
  return absl::StrCat(text, text.empty() || absl::EndsWith(text, "\n") ? "" : "\n", key, "=", open,
                      absl::StrJoin(more, " "), close, "\n");
}

}  // namespace

std::string FindInitramfsTool(const GuestRoot& root) {
  constexpr std::pair<const char*, const char*> kTools[] = {
      {"usr/sbin/mkinitramfs", "initramfs-tools"},
      {"etc/mkinitcpio.conf", "mkinitcpio"},
      {"etc/mkinitfs", "mkinitfs"},
      {"usr/bin/dracut", "dracut"},
      {"usr/sbin/dracut", "dracut"},
      {"sbin/dracut", "dracut"},
      {"etc/dracut.conf", "dracut"},
      {"sbin/mkinitrd", "mkinitrd"},
      {"etc/initramfs-tools", "initramfs-tools"}};
  for (const auto& [path, name] : kTools) {
    if (root.Exists(path)) return name;
  }
  return "";
}

std::string AddMkinitcpioModules(const std::string& text, const std::vector<std::string>& modules) {
  const bool quoted =
      absl::StrContains(text, "\nMODULES=\"") || absl::StartsWith(text, "MODULES=\"");
  return quoted ? AddWords(text, "MODULES", "\"", "\"", modules)
                : AddWords(text, "MODULES", "(", ")", modules);
}

std::string AddMkinitfsFeatures(const std::string& text, const std::vector<std::string>& features) {
  return AddWords(text, "features", "\"", "\"", features);
}

std::string AddInitrdModules(const std::string& text, const std::vector<std::string>& modules) {
  return AddWords(text, "INITRD_MODULES", "\"", "\"", modules);
}

absl::Status ConvertInitramfsConfig(GuestRoot& root, const std::vector<std::string>& modules,
                                    const StableName& stable) {
  constexpr char kSummary[] = "drivers of the target in every later image";
  const std::string tool = FindInitramfsTool(root);
  if (tool == "initramfs-tools") {
    RETURN_IF_ERROR(EditFile(root, kStep, "etc/initramfs-tools/modules", kSummary,
                             [&](const std::string& text) { return AddModules(text, modules); }));
    return EditFile(root, kStep, "etc/initramfs-tools/conf.d/resume",
                    "stable name of the swap volume",
                    [&](const std::string& text) { return EditResume(text, stable); });
  }
  if (tool == "dracut") {
    return root.Write(kStep, kDracut,
                      absl::StrCat("# Drivers of the platform that this system was migrated to.\n"
                                   "add_drivers+=\" ",
                                   absl::StrJoin(modules, " "), " \"\n"),
                      kSummary);
  }
  if (tool == "mkinitcpio") {
    return EditFile(root, kStep, "etc/mkinitcpio.conf", kSummary,
                    [&](const std::string& text) { return AddMkinitcpioModules(text, modules); });
  }
  if (tool == "mkinitfs") {
    return EditFile(root, kStep, "etc/mkinitfs/mkinitfs.conf", kSummary,
                    [](const std::string& text) {
                      return AddMkinitfsFeatures(text, {"ata", "nvme", "scsi", "virtio"});
                    });
  }
  if (tool == "mkinitrd") {
    return EditFile(root, kStep, "etc/sysconfig/kernel", kSummary,
                    [&](const std::string& text) { return AddInitrdModules(text, modules); });
  }
  return absl::OkStatus();
}

}  // namespace godwit::convert

#include "tests/support/phony/phony_guest.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/base/check.h"
#include "services/common/base/file.h"
#include "services/conversion/converter/cpio.h"

namespace godwit::testing {
namespace fs = std::filesystem;

PhonyGuest& PhonyGuest::Put(const std::string& path, const std::string& text, unsigned mode) {
  const fs::path whole = fs::path(root_) / path;
  GODWIT_CHECK(MakeDirs(whole.parent_path().string()).ok());
  GODWIT_CHECK(WriteFileAtomically(whole.string(), text, mode).ok());
  GODWIT_CHECK(chmod(whole.c_str(), mode) == 0);
  return *this;
}

PhonyGuest& PhonyGuest::Link(const std::string& path, const std::string& target) {
  const fs::path whole = fs::path(root_) / path;
  GODWIT_CHECK(MakeDirs(whole.parent_path().string()).ok());
  GODWIT_CHECK(symlink(target.c_str(), whole.c_str()) == 0);
  return *this;
}

std::string PhonyInitramfs() {
  convert::CpioWriter archive;
  archive.File("init", "#!/bin/sh\n");
  return archive.Finish();
}

PhonyGuest& PhonyGuest::Add(const Kernel& kernel) {
  const std::string tree = absl::StrCat(kernel.modules, "/", kernel.release);
  std::string dependencies;
  for (const std::string& name : kernel.names) {
    const std::string path = absl::StrCat("kernel/drivers/", name, kernel.ending);
    absl::StrAppend(&dependencies, path, ":\n");
    Put(absl::StrCat(tree, "/", path), "");
  }
  Put(tree + "/modules.dep", dependencies);
  Put(tree + "/modules.builtin", "kernel/drivers/scsi/sd_mod.ko\n");
  if (!kernel.image.empty()) Put(kernel.image, "kernel " + kernel.release, 0600);
  if (!kernel.initramfs.empty()) Put(kernel.initramfs, PhonyInitramfs(), 0600);
  return *this;
}

std::map<std::string, std::string> Snapshot(const std::string& root) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const std::string path = entry.path().lexically_relative(root).string();
    if (entry.is_symlink()) {
      files[path] = "link " + fs::read_symlink(entry.path()).string();
    } else if (entry.is_regular_file()) {
      struct stat info {};
      GODWIT_CHECK(stat(entry.path().c_str(), &info) == 0);
      const absl::StatusOr<std::string> text = ReadFile(entry.path().string());
      GODWIT_CHECK(text.ok());
      files[path] = absl::StrFormat("file %o\n%s", info.st_mode & 07777, *text);
    }
  }
  return files;
}

namespace {

using Lines = std::vector<std::string>;

// The longest common lines stay; the rest is "-" or "+".
std::string LineDiff(const Lines& a, const Lines& b) {
  std::vector<std::vector<int>> common(a.size() + 1, std::vector<int>(b.size() + 1));
  for (std::size_t i = a.size(); i-- > 0;) {
    for (std::size_t j = b.size(); j-- > 0;) {
      common[i][j] =
          a[i] == b[j] ? common[i + 1][j + 1] + 1 : std::max(common[i + 1][j], common[i][j + 1]);
    }
  }
  std::string text;
  std::size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      ++i;
      ++j;
    } else if (i < a.size() && (j == b.size() || common[i + 1][j] >= common[i][j + 1])) {
      absl::StrAppend(&text, "  -", a[i++], "\n");
    } else {
      absl::StrAppend(&text, "  +", b[j++], "\n");
    }
  }
  return text;
}

// Names of the modules in what was appended to an archive.
std::string AppendedModules(const std::string& before, const std::string& after) {
  GODWIT_CHECK(absl::StartsWith(after, before));
  std::string names;
  const std::string added = after.substr(before.size());
  for (std::size_t at = added.find("/kernel/drivers/"); at != std::string::npos;
       at = added.find("/kernel/drivers/", at + 1)) {
    const std::string path = added.substr(at, added.find('\0', at) - at);
    absl::StrAppend(&names, " ", path.substr(path.rfind('/') + 1));
  }
  return names;
}

// "etc/x/.name.pre-migration" and "etc/x/name.pre-migration" -> "etc/x/name".
std::string Original(const std::string& path) {
  const std::string whole(absl::StripSuffix(path, ".pre-migration"));
  const std::size_t name = whole.rfind('/') + 1;
  return absl::StrCat(whole.substr(0, name), absl::StripPrefix(whole.substr(name), "."));
}

}  // namespace

std::string DescribeChanges(const std::map<std::string, std::string>& before,
                            const std::map<std::string, std::string>& after) {
  std::string text;
  std::map<std::string, std::pair<std::string, std::string>> all;
  for (const auto& [path, content] : before) all[path].first = content;
  for (const auto& [path, content] : after) all[path].second = content;
  for (const auto& [path, states] : all) {
    const auto& [was, is] = states;
    if (was == is) continue;
    if (absl::EndsWith(path, ".pre-migration")) {
      const auto original = before.find(Original(path));
      const bool same = original != before.end() && original->second == is;
      if (!same) absl::StrAppend(&text, "! ", path, ": not the file as it was\n");
    } else if (is.empty()) {
      absl::StrAppend(&text, "- ", path, "\n");
    } else if (absl::StrContains(was, "070701") && absl::StartsWith(was, "file")) {
      absl::StrAppend(&text, "~ ", path, ":", AppendedModules(was, is), "\n");
    } else if (was.empty()) {
      const bool link = absl::StartsWith(is, "link ");
      absl::StrAppend(&text, "+ ", path, link ? " -> " + is.substr(5) : "", "\n");
      const Lines lines = absl::StrSplit(link ? "" : is.substr(is.find('\n') + 1), '\n');
      for (const std::string& line : lines)
        if (!line.empty()) absl::StrAppend(&text, "  +", line, "\n");
    } else {
      // Modes and owners are part of it.
      absl::StrAppend(&text, "~ ", path, "\n",
                      LineDiff(absl::StrSplit(was, '\n'), absl::StrSplit(is, '\n')));
    }
  }
  return text;
}

}  // namespace godwit::testing

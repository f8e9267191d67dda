#include "tests/support/guest_disk.h"

#include <sys/wait.h>

#include <filesystem>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "tests/support/process.h"
#include "tests/support/source_machine.h"

namespace godwit::testing {
namespace {

constexpr char kMiniRootPartition[] = "?offset=2097152";  // as debugfs has it

absl::StatusOr<std::string> Run(std::vector<std::string> command,
                                absl::Duration patience = absl::Minutes(1)) {
  const TempDir dir;
  const std::string what = command[0];
  ASSIGN_OR_RETURN(Process process,
                   Process::Start({.command = std::move(command), .log = dir / "log"}));
  ASSIGN_OR_RETURN(const int status, process.Wait(patience));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return process.Log();
  return absl::InternalError(absl::StrCat(what, ": ", process.Log()));
}

// Path of the small guest's disk in the cache.
absl::StatusOr<std::string> Base() {
  const std::string script =
      (std::filesystem::path(GODWIT_SOURCE_DIR) / "deploy/dev/guest_image.sh").string();
  ASSIGN_OR_RETURN(const std::string said, Run({script}, absl::Minutes(10)));
  // Behind what it says while it builds.
  std::vector<std::string> lines = absl::StrSplit(said, '\n', absl::SkipEmpty());
  if (lines.empty() || !absl::StartsWith(lines.back(), "/")) return absl::InternalError(said);
  return lines.back();
}

absl::Status CopySparse(const std::string& from, const std::string& to) {
  return Run({"/usr/bin/cp", "--sparse=always", "--reflink=auto", from, to}).status();
}

// What a command of debugfs prints. It ends with 0 whatever happens.
absl::StatusOr<std::string> Debugfs(const std::string& system, const std::string& command) {
  ASSIGN_OR_RETURN(const std::string said, Run({"/usr/sbin/debugfs", "-w", "-R", command, system}));
  const std::size_t banner_end = said.find('\n');  // "debugfs 1.47.0 (5-Feb-2023)"
  return banner_end == std::string::npos ? "" : said.substr(banner_end + 1);
}

// Writes a file into the ext4 file system that debugfs knows as `system`.
absl::Status Replace(const std::string& system, const std::string& name,
                     const std::string& content) {
  const TempDir dir;
  RETURN_IF_ERROR(WriteFileAtomically(dir / "file", content, 0644));
  RETURN_IF_ERROR(Debugfs(system, absl::StrCat("rm ", name)).status());
  RETURN_IF_ERROR(Debugfs(system, absl::StrCat("write ", dir / "file", " ", name)).status());
  ASSIGN_OR_RETURN(const std::string now, Debugfs(system, absl::StrCat("cat ", name)));
  if (now == content) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(name, " was not written: ", now));
}

// GRUB's menu with other arguments of the kernel.
std::string WithArguments(const std::string& menu, const std::string& arguments) {
  std::string out;
  for (const absl::string_view line : absl::StrSplit(menu, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (words.size() > 2 && words[0] == "linux") {
      absl::StrAppend(&out, "linux ", words[1], " ", arguments,
                      " ro quiet console=tty0 console=ttyS0,115200\n");
    } else {
      absl::StrAppend(&out, line, "\n");
    }
  }
  return out;
}

// A disk on `raw`, which must stay beside it.
absl::Status MakeOverlayOn(const std::string& raw, const std::string& path) {
  return Run({"/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", raw, path})
      .status();
}

}  // namespace

absl::Status MakeSmallGuest(const SmallGuest& guest, const std::string& path) {
  ASSIGN_OR_RETURN(const std::string base, Base());
  const std::string raw = absl::StrCat(path, ".raw");
  RETURN_IF_ERROR(CopySparse(base, raw));
  if (guest.menu) {
    const std::string does = guest.does.empty() ? "" : absl::StrCat(" does=", guest.does);
    const std::string initrd = guest.initrd ? "  initrd /initrd\n" : "";
    const TempDir dir;
    RETURN_IF_ERROR(WriteFileAtomically(
        dir / "grub.cfg", absl::StrCat("set timeout=0\nmenuentry guest {\n  linux /vmlinuz ",
                                       guest.arguments, does, "\n", initrd, "}\n")));
    RETURN_IF_ERROR(Run({"/usr/bin/mcopy", "-o", "-i", absl::StrCat(raw, "@@1M"), dir / "grub.cfg",
                         "::/grub/grub.cfg"})
                        .status());
  }
  return MakeOverlayOn(raw, path);
}

absl::StatusOr<std::string> SmallGuestHostKey() {
  ASSIGN_OR_RETURN(const std::string base, Base());
  ASSIGN_OR_RETURN(const std::string line, ReadFile(absl::StrCat(base, ".host_key")));
  return std::string(absl::StripAsciiWhitespace(line));
}

absl::StatusOr<std::string> SmallGuestLoginKey() {
  ASSIGN_OR_RETURN(const std::string base, Base());
  return (std::filesystem::path(base).parent_path().parent_path() / "ssh/id_ed25519").string();
}

absl::Status MakeMiniDebian(const std::string& arguments,
                            const std::map<std::string, std::string>& files,
                            const std::string& path) {
  ASSIGN_OR_RETURN(const std::string base, SourceMachine::Image("gpt-bios"));
  const std::string raw = absl::StrCat(path, ".raw");
  RETURN_IF_ERROR(CopySparse(base, raw));
  const std::string system = absl::StrCat(raw, kMiniRootPartition);
  ASSIGN_OR_RETURN(const std::string menu, Debugfs(system, "cat /boot/grub/grub.cfg"));
  std::map<std::string, std::string> all = files;
  all.insert({"/etc/fstab", absl::StrCat(kMiniRoot, " / ext4 errors=remount-ro 0 1\n")});
  all.insert({"/boot/grub/grub.cfg", WithArguments(menu, arguments)});
  for (const auto& [name, content] : all) RETURN_IF_ERROR(Replace(system, name, content));
  return MakeOverlayOn(raw, path);
}

}  // namespace godwit::testing

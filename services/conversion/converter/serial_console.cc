#include "services/conversion/converter/serial_console.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/edit_file.h"
#include "services/conversion/converter/guest_services.h"

namespace godwit::convert {
namespace {

constexpr char kStep[] = "console";
constexpr char kSummary[] = "a login on the serial console";

// "id:levels:action:process": an entry that starts something on ttyS0 again and again.
bool IsSerialEntry(absl::string_view line) {
  const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(':', 3));
  return fields.size() == 4 && !absl::StartsWith(line, "#") && fields[2] == "respawn" &&
         (fields[0] == "ttyS0" || absl::StrContains(fields[3], "ttyS0")) &&
         absl::StrContains(fields[3], "getty");
}

}  // namespace

std::string AddSerialGetty(const std::string& inittab, const std::string& getty, bool busybox) {
  std::vector<std::string> lines = absl::StrSplit(inittab, '\n');
  for (const std::string& line : lines) {
    if (IsSerialEntry(absl::StripAsciiWhitespace(line))) return inittab;
  }
  for (std::string& line : lines) {
    const absl::string_view entry =
        absl::StripAsciiWhitespace(absl::StripPrefix(absl::StripLeadingAsciiWhitespace(line), "#"));
    if (!IsSerialEntry(entry)) continue;
    line = std::string(entry);
    return absl::StrJoin(lines, "\n");
  }
  const std::string entry = busybox ? "ttyS0::respawn:" + getty : "S0:2345:respawn:" + getty;
  const bool open = !inittab.empty() && inittab.back() != '\n';
  return absl::StrCat(inittab, open ? "\n" : "", entry, "\n");
}

std::string AddSecureTerminal(const std::string& securetty) {
  const std::vector<std::string> lines = absl::StrSplit(securetty, '\n');
  for (const std::string& line : lines) {
    if (absl::StripAsciiWhitespace(line) == "ttyS0") return securetty;
  }
  const bool open = !securetty.empty() && securetty.back() != '\n';
  return absl::StrCat(securetty, open ? "\n" : "", "ttyS0\n");
}

absl::Status ConvertSerialConsole(GuestRoot& root) {
  RETURN_IF_ERROR(EditFile(root, kStep, "etc/securetty", "root may log in on the serial console",
                           AddSecureTerminal));
  const std::string init = FindInitSystem(root);
  if (init == "openrc") {
    return EditFile(root, kStep, "etc/inittab", kSummary, [](const std::string& text) {
      return AddSerialGetty(text, "/sbin/getty -L ttyS0 115200 vt100", /*busybox=*/true);
    });
  }
  if (init == "sysv") {
    const std::string getty = root.Exists("sbin/agetty") ? "/sbin/agetty -L 115200 ttyS0 vt100"
                                                         : "/sbin/getty -L ttyS0 115200 vt100";
    return EditFile(root, kStep, "etc/inittab", kSummary, [&](const std::string& text) {
      return AddSerialGetty(text, getty, /*busybox=*/false);
    });
  }
  // Red Hat 6 brings serial.conf, which starts by itself; Ubuntu documents a job of this name.
  if (init == "upstart" && !root.Exists("etc/init/serial.conf") &&
      !root.Exists("etc/init/ttyS0.conf")) {
    return root.Write(kStep, "etc/init/ttyS0.conf",
                      "# ttyS0 - getty\nstart on stopped rc RUNLEVEL=[12345]\n"
                      "stop on runlevel [!12345]\nrespawn\n"
                      "exec /sbin/getty -L 115200 ttyS0 vt102\n",
                      kSummary);
  }
  return absl::OkStatus();
}

}  // namespace godwit::convert

#include "services/conversion/converter/scripts.h"

#include <sys/mount.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/run_bounded.h"

namespace godwit::convert {
namespace {

constexpr std::size_t kMaxOutput = 16 << 10;

std::string Printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) >= 0x80 || (c >= 0 && c < 0x20 && c != '\n' && c != '\t'))
      c = '?';
  }
  return text;
}

}  // namespace

absl::Status RunScripts(const std::string& where, const std::vector<Script>& scripts,
                        GuestRoot& root, Outcome* outcome) {
  for (const Script& script : scripts) {
    const bool inside = absl::EndsWith(script.name, ".chroot");
    RunLimits limits{.timeout = absl::Seconds(script.timeout_seconds),
                     .max_output = kMaxOutput,
                     .isolated = true};
    if (inside) {
      // Programs of the guest may run for this one script; still no set-user-id and no devices.
      limits.root = where;
      if (mount(nullptr, where.c_str(), nullptr,
                MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV | MS_NOATIME, nullptr) != 0)
        return ErrnoStatus("remounting the guest's root");
    }
    const std::string sha256 = Sha256Hex(script.text);
    absl::StatusOr<BoundedRun> run = RunBounded(
        {"/bin/sh", "-c", script.text, script.name},
        {"PATH=/bin:/sbin:/usr/bin:/usr/sbin", "LC_ALL=C", "HOME=/",
         absl::StrCat("GODWIT_ROOT=", inside ? "/" : where), "GODWIT_SCRIPT=" + script.name},
        "", limits);
    if (inside) {
      mount(nullptr, where.c_str(), nullptr,
            MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV | MS_NOATIME | MS_NOEXEC, nullptr);
    }
    RETURN_IF_ERROR(run);
    outcome->scripts.push_back({.name = script.name,
                                .sha256 = sha256,
                                .output = Printable(run->output),
                                .exit_code = run->exit_code,
                                .seconds = absl::ToDoubleSeconds(run->took)});
    root.Record({.step = "script",
                 .path = script.name,
                 .after_sha256 = sha256,
                 .summary = "the operator's script ran",
                 .volume = "script"});
    if (run->timed_out) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the script ", script.name, " ran longer than ", script.timeout_seconds, " s"));
    }
    if (run->exit_code != 0) {
      return absl::FailedPreconditionError(absl::StrCat("the script ", script.name, " ended with ",
                                                        run->exit_code, ": ",
                                                        Printable(run->output.substr(0, 300))));
    }
  }
  return absl::OkStatus();
}

}  // namespace godwit::convert

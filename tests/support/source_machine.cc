#include "tests/support/source_machine.h"

#include <sys/wait.h>

#include <filesystem>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::testing {
namespace {

// Building the image and booting it once, on a busy machine.
constexpr absl::Duration kFirstStart = absl::Minutes(15);

}  // namespace

absl::StatusOr<std::unique_ptr<SourceMachine>> SourceMachine::Start(const Options& options) {
  std::unique_ptr<SourceMachine> machine(new SourceMachine);
  std::vector<std::string> arguments = {
      "start",      machine->dir_ / "machine", "--layout",   options.layout,
      "--hardware", options.hardware,          "--firmware", options.firmware};
  if (options.serial) arguments.push_back("--serial");
  if (options.booted) arguments.push_back("--booted");
  if (!options.disk.empty()) {
    RETURN_IF_ERROR(MakeDirs(machine->dir_ / "machine"));
    std::vector<std::string> disks = {options.disk};
    disks.insert(disks.end(), options.more_disks.begin(), options.more_disks.end());
    for (std::size_t i = 0; i < disks.size(); ++i) {
      const std::string number = i == 0 ? "" : absl::StrCat(i);
      std::error_code error;
      std::filesystem::rename(
          disks[i], machine->dir_ / absl::StrCat("machine/disk", number, ".qcow2"), error);
      if (error) return absl::InternalError(absl::StrCat(disks[i], ": ", error.message()));
    }
  }
  RETURN_IF_ERROR(machine->Call(std::move(arguments), kFirstStart).status());
  return machine;
}

SourceMachine::~SourceMachine() {
  Call({"stop", dir_ / "machine"}, absl::Seconds(60)).IgnoreError();
}

absl::Status SourceMachine::WaitForPage(absl::Duration patience) {
  return Call({"wait", dir_ / "machine", absl::StrCat(absl::ToInt64Seconds(patience))},
              patience + absl::Seconds(30))
      .status();
}

absl::StatusOr<std::string> SourceMachine::Ssh(const std::string& command,
                                               absl::Duration patience) {
  const absl::Time end = absl::Now() + patience;
  while (true) {
    absl::StatusOr<std::string> output = Call({"ssh", dir_ / "machine", command}, patience);
    // The page may be served before the ssh server has its keys.
    const bool starting =
        !output.ok() && (absl::StrContains(output.status().message(), "kex_exchange") ||
                         absl::StrContains(output.status().message(), "Connection reset"));
    if (!starting || absl::Now() > end) return output;
    absl::SleepFor(absl::Seconds(1));
  }
}

absl::StatusOr<std::string> SourceMachine::Image(const std::string& layout) {
  ASSIGN_OR_RETURN(const std::vector<std::string> disks, Images(layout));
  return disks.front();
}

absl::StatusOr<std::vector<std::string>> SourceMachine::Images(const std::string& layout) {
  const TempDir dir;
  const std::string script =
      (std::filesystem::path(GODWIT_SOURCE_DIR) / "deploy/dev/source_image.sh").string();
  ASSIGN_OR_RETURN(Process process,
                   Process::Start({.command = {script, layout}, .log = dir / "log"}));
  ASSIGN_OR_RETURN(const int status, process.Wait(kFirstStart));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return absl::InternalError(process.Log());
  // Behind what it says while it builds, one path a line.
  std::vector<std::string> disks;
  for (const absl::string_view line : absl::StrSplit(process.Log(), '\n', absl::SkipEmpty())) {
    if (line[0] == '/') disks.emplace_back(line);
  }
  if (disks.empty()) return absl::InternalError(process.Log());
  return disks;
}

absl::Status SourceMachine::Copy(const std::string& file, const std::string& path,
                                 absl::Duration patience) {
  return Call({"copy", dir_ / "machine", file, path}, patience).status();
}

std::string SourceMachine::Console() const {
  return ReadFile(dir_ / "machine/serial.log").value_or("");
}

absl::StatusOr<std::string> SourceMachine::Get(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string port, ReadFile(dir_ / "machine/http.port"));
  const std::string log = dir_ / absl::StrCat("get.", ++calls_);
  ASSIGN_OR_RETURN(
      Process process,
      Process::Start({.command = {"/usr/bin/curl", "-sS", "-f", "-m", "20",
                                  absl::StrCat("http://127.0.0.1:",
                                               absl::StripAsciiWhitespace(port), "/", path)},
                      .log = log}));
  ASSIGN_OR_RETURN(const int status, process.Wait(absl::Seconds(30)));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return process.Log();
  return absl::UnavailableError(absl::StrCat("GET /", path, ": ", process.Log()));
}

absl::StatusOr<std::string> SourceMachine::Call(std::vector<std::string> arguments,
                                                absl::Duration patience) {
  const std::string what = arguments[0];
  arguments.insert(
      arguments.begin(),
      (std::filesystem::path(GODWIT_SOURCE_DIR) / "deploy/dev/source_machine.sh").string());
  const std::string log = dir_ / absl::StrCat("call.", ++calls_);
  ASSIGN_OR_RETURN(Process process, Process::Start({.command = std::move(arguments), .log = log}));
  ASSIGN_OR_RETURN(const int status, process.Wait(patience));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return process.Log();
  return absl::InternalError(absl::StrCat("source machine, ", what, ": ", process.Log()));
}

}  // namespace godwit::testing

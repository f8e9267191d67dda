#include "services/conversion/converter/windows/first_boot.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/windows/inject.h"
#include "services/conversion/converter/windows/names.h"

namespace godwit::convert::windows {
namespace {

constexpr std::size_t kMaxFiles = 100;
constexpr std::size_t kMaxBytes = std::size_t{64} << 20;
constexpr char kStep[] = "first boot";

// Redirections of "echo" come first: a digit before ">>" would be taken for the number of a handle.
// A step leaves the queue before it runs: one that restarts the machine is not run again, and the
// next boot goes on behind it.
constexpr char kRunner[] = R"(@echo off
rem Runs each file of "steps" once, in the order of their names, then removes itself.
setlocal EnableExtensions
set "here=%~dp0"
set "log=%here%firstboot.log"
if not exist "%here%run" mkdir "%here%run"
>>"%log%" echo %DATE% %TIME% first boot begins
for /f "delims=" %%f in ('dir /b /a-d /on "%here%steps" 2^>nul') do call :step "%%f"
>>"%log%" echo %DATE% %TIME% first boot has ended
sc.exe delete SERVICE>>"%log%" 2>&1
rmdir "%here%steps"
(goto) 2>nul & del "%~f0"
exit /b 0

:step
move /y "%here%steps\%~1" "%here%run\%~1">nul
>>"%log%" echo %DATE% %TIME% %~1 begins
if /i "%~x1"==".ps1" goto powershell
cmd.exe /d /c ""%here%run\%~1"">>"%log%" 2>&1
goto ended
:powershell
powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -File "%here%run\%~1">>"%log%" 2>&1
:ended
>>"%log%" echo %DATE% %TIME% %~1 ended with %ERRORLEVEL%
exit /b 0
)";

constexpr char kDriversStep[] = R"(@echo off
rem Adds the packages to Windows' own store of drivers and installs them.
for /r "%SystemRoot%\FOLDER" %%f in (*.inf) do pnputil.exe -i -a "%%f"
exit /b 0
)";

// Disks of a new machine may be "offline" or "read-only" by the policy for shared buses.
constexpr char kDisksStep[] = R"(@echo off
rem Brings all disks online.
set "script=%TEMP%\godwit-disks.txt"
>"%script%" echo san policy=OnlineAll
for /l %%d in (0,1,25) do (
  >>"%script%" echo select disk %%d
  >>"%script%" echo attributes disk clear readonly noerr
  >>"%script%" echo online disk noerr
)
diskpart.exe /s "%script%"
del "%script%"
exit /b 0
)";

std::string Script(const std::string& text) {
  return absl::StrReplaceAll(text, {{"\n", "\r\n"},
                                    {"SERVICE", kFirstBootService},
                                    {"FOLDER", absl::StrReplaceAll(kDriverFolder, {{"/", "\\"}})}});
}

bool IsHelper(const std::string& name) {
  return absl::EqualsIgnoreCase(name, "srvany.exe") ||
         absl::EqualsIgnoreCase(name, "rhsrvany.exe") || absl::EqualsIgnoreCase(name, "nssm.exe");
}

bool CanRun(const std::string& name) {
  return absl::EndsWithIgnoreCase(name, ".cmd") || absl::EndsWithIgnoreCase(name, ".bat") ||
         absl::EndsWithIgnoreCase(name, ".ps1") || absl::EndsWithIgnoreCase(name, ".exe");
}

// Without a helper the command starts the runner as a process of its own and ends: the service
// manager takes that for a service that failed and leaves the runner alone.
absl::Status AddService(Guest& guest, const std::string& helper) {
  const std::string folder = absl::StrCat("%SystemRoot%\\", kFirstBootFolder);
  const std::string runner = folder + "\\firstboot.cmd";
  for (const std::string& control_set : guest.facts.control_sets) {
    const std::string key = absl::StrCat(control_set, "\\Services\\", kFirstBootService);
    Hive& system = guest.system;
    RETURN_IF_ERROR(system.Set(key, "Type", RegDword(0x10)));
    RETURN_IF_ERROR(system.Set(key, "Start", RegDword(2)));
    RETURN_IF_ERROR(system.Set(key, "ErrorControl", RegDword(0)));
    RETURN_IF_ERROR(system.Set(key, "DisplayName", RegSz("First boot after a migration")));
    RETURN_IF_ERROR(system.Set(key, "ObjectName", RegSz("LocalSystem")));
    if (helper.empty()) {
      RETURN_IF_ERROR(system.Set(
          key, "ImagePath",
          RegExpandSz(absl::StrCat(
              R"(%SystemRoot%\System32\cmd.exe /d /c start "firstboot" /b cmd.exe /d /c ")", runner,
              "\""))));
      continue;
    }
    RETURN_IF_ERROR(system.Set(key, "ImagePath", RegExpandSz(absl::StrCat(folder, "\\", helper))));
    const std::string command = absl::StrCat(R"(cmd.exe /d /c ")", runner, "\"");
    const std::string parameters = key + "\\Parameters";
    if (absl::EqualsIgnoreCase(helper, "rhsrvany.exe")) {
      RETURN_IF_ERROR(
          system.Set(key, "ImagePath",
                     RegExpandSz(absl::StrCat(folder, "\\", helper, " -s ", kFirstBootService))));
      RETURN_IF_ERROR(system.Set(parameters, "CommandLine", RegExpandSz(command)));
      RETURN_IF_ERROR(system.Set(parameters, "PWD", RegExpandSz(folder)));
    } else {
      RETURN_IF_ERROR(
          system.Set(parameters, "Application", RegExpandSz(R"(%SystemRoot%\System32\cmd.exe)")));
      RETURN_IF_ERROR(system.Set(parameters, "AppParameters",
                                 RegExpandSz(absl::StrCat(R"(/d /c ")", runner, "\""))));
      RETURN_IF_ERROR(system.Set(parameters, "AppDirectory", RegExpandSz(folder)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Scripts> ReadScripts(const GuestRoot& supplies) {
  Scripts scripts;
  std::size_t bytes = 0;
  for (const std::string& name : supplies.List(".")) {
    for (const char c : name) {
      if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '_' && c != '-') {
        return absl::InvalidArgumentError(absl::StrCat(
            "first-boot script \"", name, "\": letters, digits, '.', '_' and '-' only"));
      }
    }
    absl::StatusOr<std::string> content = supplies.Read(name, kMaxBytes);
    if (absl::IsFailedPrecondition(content.status())) continue;  // no file
    RETURN_IF_ERROR(content);
    bytes += content->size();
    if (bytes > kMaxBytes || scripts.files.size() >= kMaxFiles) {
      return absl::ResourceExhaustedError("first-boot scripts: at most 100 files and 64 MiB");
    }
    if (IsHelper(name)) {
      scripts.helper_name = name;
      scripts.helper = *std::move(content);
    } else {
      scripts.files[name] = *std::move(content);
    }
  }
  return scripts;
}

absl::Status AddFirstBoot(Guest& guest, const Scripts& scripts, const std::string& network_script,
                          bool install_drivers) {
  const std::string folder = absl::StrCat(guest.facts.system_root, "/", kFirstBootFolder, "/");
  const auto put = [&](const std::string& path, const std::string& content,
                       const std::string& summary) {
    return guest.root->Write(kStep, PlaceFor(*guest.root, folder + path), content, summary,
                             /*keep=*/false);
  };
  RETURN_IF_ERROR(put("firstboot.cmd", Script(kRunner), "runs the steps of the first boot"));
  if (install_drivers) {
    RETURN_IF_ERROR(put("steps/1000-drivers.cmd", Script(kDriversStep), "installs the drivers"));
  }
  RETURN_IF_ERROR(put("steps/2000-disks.cmd", Script(kDisksStep), "brings disks online"));
  if (!network_script.empty()) {
    RETURN_IF_ERROR(put("steps/3000-network.ps1", network_script, "addresses of the cards"));
  }
  for (const auto& [name, content] : scripts.files) {
    RETURN_IF_ERROR(put(absl::StrCat(CanRun(name) ? "steps/5000-" : "run/", name), content,
                        "a script of the operator"));
  }
  if (!scripts.helper.empty()) {
    RETURN_IF_ERROR(put(scripts.helper_name, scripts.helper, "the operator's service helper"));
  }
  return AddService(guest, scripts.helper_name);
}

}  // namespace godwit::convert::windows

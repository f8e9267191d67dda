#include "services/jobs/steps/ssh_command.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/targets/qemu/process.h"

namespace godwit::jobs {
namespace {

constexpr int kSshFailed = 255;  // ssh's own exit code for a connection that failed

// The name is the source's word: only what cannot be anything else on a command line.
bool IsHostName(const std::string& name) {
  if (name.empty() || name.size() > 253 || !absl::ascii_isalnum(name[0])) return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_';
  });
}

}  // namespace

std::string ShellQuoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

absl::StatusOr<GuestResult> RunOverSsh(const SshOptions& options, const std::string& endpoint,
                                       const GuestCommand& command, absl::Duration timeout,
                                       const std::function<absl::Status()>& check) {
  const std::size_t colon = endpoint.rfind(':');
  if (options.key_file.empty() || colon == std::string::npos)
    return absl::UnavailableError("SSH: no key or no endpoint");
  std::string text;
  for (const auto& [name, value] : command.environment)
    absl::StrAppend(&text, "export ", name, "=", ShellQuoted(value), "; ");
  absl::StrAppend(&text, command.command);
  const std::string known = options.known_hosts.empty() ? "/dev/null" : options.known_hosts;
  std::vector<std::string> argv = {
      "ssh",
      "-F",
      "/dev/null",
      "-i",
      options.key_file,
      "-p",
      endpoint.substr(colon + 1),
      "-o",
      "BatchMode=yes",
      "-o",
      "IdentitiesOnly=yes",
      "-o",
      "ConnectTimeout=20",
      "-o",
      "LogLevel=ERROR",
      "-o",
      absl::StrCat("UserKnownHostsFile=", known),
      "-o",
      absl::StrCat("StrictHostKeyChecking=", options.known_hosts.empty() ? "no" : "yes"),
  };
  if (IsHostName(options.host_name))
    argv.insert(argv.end(), {"-o", absl::StrCat("HostKeyAlias=", options.host_name)});
  argv.insert(argv.end(), {absl::StrCat(options.user, "@", endpoint.substr(0, colon)), text});
  ASSIGN_OR_RETURN(CommandResult ran, RunCommand(argv, timeout, check));
  if (ran.exit_code == kSshFailed)
    return absl::UnavailableError(absl::StrCat("SSH: ", ran.output.substr(0, 500)));
  return GuestResult{.exit_code = ran.exit_code, .output = std::move(ran.output)};
}

}  // namespace godwit::jobs

#include "services/jobs/steps/guest_commands.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/common/base/status_macros.h"

namespace godwit::jobs {
namespace {

using nlohmann::json;

constexpr absl::Duration kAnswerTimeout = absl::Seconds(10);
constexpr absl::Duration kPingTimeout = absl::Seconds(3);
constexpr absl::Duration kPoll = absl::Milliseconds(200);
constexpr std::size_t kMostOutput = 64 << 10;

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::StatusOr<json> Ask(Target& target, const std::string& machine_id, const json& question) {
  ASSIGN_OR_RETURN(const std::string answer,
                   target.AskAgent(machine_id, Dump(question), kAnswerTimeout));
  json parsed = json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) return absl::InternalError("guest agent: an answer that is no JSON");
  return parsed;
}

void AddOutput(const json& status, const char* key, std::string* out) {
  const auto found = status.find(key);
  std::string text;
  if (found != status.end() && found->is_string() &&
      absl::Base64Unescape(found->get<std::string>(), &text)) {
    out->append(text, 0, kMostOutput - std::min(kMostOutput, out->size()));
  }
}

json ExecArguments(const GuestCommand& command) {
  json environment = json::array();
  // The agent's own environment is replaced as a whole.
  if (!command.environment.empty() && !command.windows)
    environment.push_back("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  for (const auto& [name, value] : command.environment)
    environment.push_back(absl::StrCat(name, "=", value));
  json out = {{"path", command.windows ? "cmd.exe" : "/bin/sh"},
              {"arg", {command.windows ? "/c" : "-c", command.command}},
              {"capture-output", true}};
  if (!environment.empty()) out["env"] = environment;
  return out;
}

// Best effort: the command may have ended by itself.
void Kill(Target& target, const std::string& machine_id, std::int64_t pid, bool windows) {
  const json arguments =
      windows ? json{{"path", "taskkill.exe"}, {"arg", {"/f", "/t", "/pid", absl::StrCat(pid)}}}
              : json{{"path", "/bin/kill"}, {"arg", {"-9", absl::StrCat(pid)}}};
  Ask(target, machine_id, {{"execute", "guest-exec"}, {"arguments", arguments}})
      .status()
      .IgnoreError();
}

}  // namespace

absl::Status PingAgent(Target& target, const std::string& machine_id) {
  return target.AskAgent(machine_id, R"({"execute":"guest-ping"})", kPingTimeout).status();
}

absl::StatusOr<GuestResult> RunInGuest(Target& target, const std::string& machine_id,
                                       const GuestCommand& command, absl::Duration timeout,
                                       const std::function<absl::Status()>& check) {
  const absl::Time deadline = SteadyNow() + timeout;
  ASSIGN_OR_RETURN(
      const json begun,
      Ask(target, machine_id, {{"execute", "guest-exec"}, {"arguments", ExecArguments(command)}}));
  if (!begun.is_object() || !begun.contains("pid") || !begun["pid"].is_number_integer())
    return absl::InternalError("guest agent: guest-exec gave no pid");
  const auto pid = begun["pid"].get<std::int64_t>();
  while (true) {
    const auto status =
        Ask(target, machine_id, {{"execute", "guest-exec-status"}, {"arguments", {{"pid", pid}}}});
    // A busy guest may miss an answer: its next one counts.
    if (!status.ok() && !absl::IsUnavailable(status.status())) return status.status();
    if (status.ok() && status->is_object() && status->value("exited", json(false)) == json(true)) {
      GuestResult result;
      const auto code = status->find("exitcode");
      if (code != status->end() && code->is_number_integer()) result.exit_code = code->get<int>();
      AddOutput(*status, "out-data", &result.output);
      AddOutput(*status, "err-data", &result.output);
      return result;
    }
    absl::Status stop = check();
    if (stop.ok() && SteadyNow() > deadline) {
      stop = absl::DeadlineExceededError(
          absl::StrCat("it took longer than ", absl::FormatDuration(timeout)));
    }
    if (!stop.ok()) {
      Kill(target, machine_id, pid, command.windows);
      return stop;
    }
    absl::SleepFor(kPoll);
  }
}

std::optional<bool> GuestHasAddress(Target& target, const std::string& machine_id) {
  const auto interfaces = Ask(target, machine_id, {{"execute", "guest-network-get-interfaces"}});
  if (!interfaces.ok() || !interfaces->is_array()) return std::nullopt;
  for (const json& interface : *interfaces) {
    if (!interface.is_object() || !interface.contains("ip-addresses")) continue;
    for (const json& address : interface["ip-addresses"]) {
      if (!address.is_object()) continue;
      const std::string text = address.contains("ip-address") && address["ip-address"].is_string()
                                   ? address["ip-address"].get<std::string>()
                                   : "";
      const bool own = !text.empty() && !absl::StartsWith(text, "127.") && text != "::1" &&
                       !absl::StartsWith(text, "fe80:");
      if (own) return true;
    }
  }
  return false;
}

}  // namespace godwit::jobs

#include "services/jobs/targets/qemu/qmp.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/common/base/status_macros.h"

namespace godwit::jobs {
namespace {

using nlohmann::json;

constexpr std::size_t kMostLine = 1 << 20;
constexpr int kMostUnrelated = 10000;  // events between a command and its answer

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string Text(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

absl::StatusOr<QmpMessage> ParseQmp(absl::string_view line) {
  const json parsed = json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return absl::InternalError("QMP: a line that is no JSON object");
  QmpMessage message;
  if (parsed.contains("QMP")) {
    message.kind = QmpMessage::Kind::kGreeting;
  } else if (const auto value = parsed.find("return"); value != parsed.end()) {
    message.kind = QmpMessage::Kind::kReturn;
    message.json = Dump(*value);
  } else if (const auto error = parsed.find("error"); error != parsed.end()) {
    message.kind = QmpMessage::Kind::kError;
    if (!error->is_object()) return absl::InternalError("QMP: malformed error");
    message.text = absl::StrCat(Text(*error, "class"), ": ", Text(*error, "desc"));
  } else if (parsed.contains("event")) {
    message.kind = QmpMessage::Kind::kEvent;
    message.text = Text(parsed, "event");
    if (const auto data = parsed.find("data"); data != parsed.end()) message.json = Dump(*data);
  } else {
    return absl::InternalError("QMP: a message of unknown kind");
  }
  return message;
}

absl::StatusOr<Qmp> Qmp::Connect(const std::string& dir, const std::string& socket_name,
                                 absl::Duration timeout) {
  const absl::Time deadline = SteadyNow() + timeout;
  ASSIGN_OR_RETURN(LineSocket socket, LineSocket::Connect("QMP", dir, socket_name, kMostLine));
  Qmp qmp(std::move(socket));
  ASSIGN_OR_RETURN(const QmpMessage greeting, qmp.Next(deadline));
  if (greeting.kind != QmpMessage::Kind::kGreeting) {
    return absl::InternalError("QMP: no greeting");
  }
  RETURN_IF_ERROR(qmp.Execute("qmp_capabilities", "", deadline - SteadyNow()));
  return qmp;
}

absl::StatusOr<std::string> Qmp::Execute(absl::string_view command, absl::string_view arguments,
                                         absl::Duration timeout) {
  const absl::Time deadline = SteadyNow() + timeout;
  const std::string line = arguments.empty() ? absl::StrCat("{\"execute\":\"", command, "\"}\n")
                                             : absl::StrCat("{\"execute\":\"", command,
                                                            "\",\"arguments\":", arguments, "}\n");
  RETURN_IF_ERROR(socket_.Send(line, deadline));
  for (int i = 0; i < kMostUnrelated; ++i) {
    ASSIGN_OR_RETURN(const QmpMessage message, Next(deadline));
    if (message.kind == QmpMessage::Kind::kReturn) return message.json;
    if (message.kind == QmpMessage::Kind::kError) {
      return absl::FailedPreconditionError(absl::StrCat("QMP ", command, ": ", message.text));
    }
  }
  return absl::InternalError(absl::StrCat("QMP ", command, ": no answer among many messages"));
}

absl::StatusOr<std::string> Qmp::Monitor(absl::string_view command_line, absl::Duration timeout) {
  const json arguments = {{"command-line", std::string(command_line)}};
  ASSIGN_OR_RETURN(const std::string answer,
                   Execute("human-monitor-command", Dump(arguments), timeout));
  const json text = json::parse(answer, nullptr, false);
  if (!text.is_string()) return absl::InternalError("QMP: monitor answer is no text");
  return text.get<std::string>();
}

absl::StatusOr<QmpMessage> Qmp::Next(absl::Time deadline) {
  ASSIGN_OR_RETURN(const std::string line, socket_.Next(deadline));
  return ParseQmp(line);
}

}  // namespace godwit::jobs

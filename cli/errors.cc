#include "cli/errors.h"

#include <array>
#include <ostream>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/output.h"
#include "services/common/base/json_log.h"
#include "services/common/rpc/quotas.h"
#include "services/common/rpc/serve.h"

namespace godwit::cli {
namespace {

constexpr char kPayload[] = "godwit/exit-code";

struct Command {
  absl::string_view call;
  absl::string_view command;
};
constexpr std::array<Command, 24> kCommands = {{
    {"StartTest", "test"},
    {"MarkReadyForCutover", "mark-ready"},
    {"RevertToReadyForTest", "revert"},
    {"RevertCutover", "revert"},
    {"StartCutover", "cutover"},
    {"FinalizeCutover", "finalize"},
    {"DisconnectFromService", "disconnect"},
    {"Archive", "archive"},
    {"Unarchive", "unarchive"},
    {"TerminateTargetInstances", "terminate"},
    {"StartReplication", "replication start"},
    {"StopReplication", "replication stop"},
    {"PauseReplication", "replication pause"},
    {"ResumeReplication", "replication resume"},
    {"RetryReplication", "replication retry"},
    {"RequestPoint", "points create"},
    {"DeleteSourceServer", "servers delete"},
    {"CancelJob", "jobs cancel"},
    {"UpdateApplication", "applications unarchive"},
    {"UpdateWave", "waves unarchive"},
    {"DisassociateSourceServers", "applications disassociate"},
    {"DisassociateApplications", "waves disassociate"},
    {"UpdateSettingsTemplate", "templates update"},
    {"RevokeToken", "tokens revoke"},
}};

std::string Metadata(const rpc::ErrorInfo& info, absl::string_view key) {
  for (const auto& [name, value] : info.metadata) {
    if (name == key) return value;
  }
  return "";
}

std::string Help(const Context& context, const absl::Status& status, const rpc::ErrorInfo& info) {
  const std::string call = Metadata(info, "helpful_call");
  if (!call.empty()) {
    std::string subject;
    for (const absl::string_view key :
         {"name", "source_server", "server", "resource", "job", "token"}) {
      if (subject = Metadata(info, key); !subject.empty()) break;
    }
    if (call == "CancelJob")
      subject = Metadata(info, "job");
    else if (subject.empty())
      subject = context.subject();
    return HelpfulCommand(call, subject);
  }
  if (const std::string job = Metadata(info, "job"); !job.empty()) {
    return absl::StrCat("godwit jobs ", ExitCodeOf(status) == kFailed ? "log " : "watch ",
                        absl::StripPrefix(job, "jobs/"));
  }
  if (status.code() == absl::StatusCode::kAborted)
    return "the same command again: it reads the present state first";
  if (absl::IsUnavailable(status) && info.reason.empty()) {
    return "again when the service runs; its endpoint and certificate must be right";
  }
  return "";
}

absl::string_view Word(ExitCode code) {
  switch (code) {
    case kFailed:
      return "failed";
    case kUsage:
      return "usage";
    case kNotFound:
      return "not found";
    case kRefused:
      return "refused";
    case kUnavailable:
      return "unavailable";
    case kNotPermitted:
      return "not permitted";
    case kTimedOut:
      return "timed out";
    default:
      return "error";
  }
}

// The message; the code's name when the peer gave none.
std::string Message(const absl::Status& status) {
  if (absl::IsUnimplemented(status)) {
    return absl::StrCat(status.message(), status.message().empty() ? "" : " ",
                        "the service does not know this call; it is of another version");
  }
  return status.message().empty() ? absl::StatusCodeToString(status.code())
                                  : std::string(status.message());
}

void PrintErrorJson(Context& context, const absl::Status& status, const rpc::ErrorInfo& info) {
  const auto text = [](absl::string_view value) {
    return absl::StrCat("\"", JsonEscape(value), "\"");
  };
  std::string metadata;
  for (const auto& [key, value] : info.metadata) {
    absl::StrAppend(&metadata, metadata.empty() ? "" : ", ", text(key), ": ", text(value));
  }
  context.err() << "{\"code\": " << text(absl::StatusCodeToString(status.code()))
                << ", \"reason\": " << text(info.reason)
                << ", \"message\": " << text(Message(status))
                << ", \"help\": " << text(Help(context, status, info)) << ", \"metadata\": {"
                << metadata << "}, \"exitCode\": " << ExitCodeOf(status) << "}\n";
}

}  // namespace

absl::Status OperationFailed(absl::string_view message) {
  absl::Status status = absl::UnknownError(message);
  status.SetPayload(kPayload, absl::Cord("1"));
  return status;
}

absl::Status Differs() {
  absl::Status status = absl::UnknownError("there are differences");
  status.SetPayload(kPayload, absl::Cord("2"));
  return status;
}

absl::Status HelpPrinted() {
  absl::Status status = absl::CancelledError("help was printed");
  status.SetPayload(kPayload, absl::Cord("0"));
  return status;
}

ExitCode ExitCodeOf(const absl::Status& status) {
  if (const auto given = status.GetPayload(kPayload); given.has_value()) {
    return *given == "0" ? kDone : *given == "2" ? kUsage : kFailed;
  }
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kDone;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return kUsage;
    case absl::StatusCode::kNotFound:
      return kNotFound;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
      return kRefused;
    case absl::StatusCode::kResourceExhausted:
      // A quota makes no room by itself.
      if (rpc::GetInfo(status).reason == rpc::kQuotaExceeded) return kRefused;
      return kUnavailable;
    case absl::StatusCode::kUnavailable:
      return kUnavailable;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return kNotPermitted;
    case absl::StatusCode::kDeadlineExceeded:
      return kTimedOut;
    case absl::StatusCode::kCancelled:
      return kFailed;
    default:
      return kInternal;
  }
}

std::string HelpfulCommand(absl::string_view call, absl::string_view server) {
  for (const Command& known : kCommands) {
    if (known.call != call) continue;
    absl::string_view subject = server;
    for (const absl::string_view prefix :
         {"sourceServers/", "jobs/", "applications/", "waves/", "tokens/"}) {
      absl::ConsumePrefix(&subject, prefix);
    }
    const absl::string_view placeholder = call == "CancelJob"                ? "JOB"
                                          : call == "UpdateSettingsTemplate" ? "TEMPLATE"
                                                                             : "SERVER";
    return absl::StrCat("godwit ", known.command, " ", subject.empty() ? placeholder : subject);
  }
  return "";
}

void PrintError(Context& context, const absl::Status& status) {
  if (const auto given = status.GetPayload(kPayload); given.has_value() && *given == "2") return;
  const rpc::ErrorInfo info = rpc::GetInfo(status);
  if (context.json()) {
    PrintErrorJson(context, status, info);
    return;
  }
  context.err() << Word(ExitCodeOf(status)) << ": " << Plain(Message(status));
  if (!info.reason.empty()) context.err() << " (" << info.reason << ")";
  context.err() << "\n";
  for (const auto& [field, description] : info.field_violations) {
    if (status.message().find(std::string(description)) == absl::string_view::npos) {
      context.err() << "  " << field << ": " << description << "\n";
    }
  }
  if (info.retry_after > absl::ZeroDuration()) {
    context.err() << "try again in " << absl::FormatDuration(info.retry_after) << "\n";
  }
  if (const std::string help = Help(context, status, info); !help.empty()) {
    context.err() << "try: " << help << "\n";
  }
}

}  // namespace godwit::cli

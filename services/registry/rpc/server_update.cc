#include "services/registry/rpc/server_update.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/storage/server_store.h"

namespace godwit::registry {
namespace {

using google::protobuf::FieldDescriptor;

constexpr char kNotes[] = "notes";
constexpr char kNotesPrefix[] = "notes.";
constexpr std::size_t kMaxNote = 256;
constexpr std::size_t kLeastArn = 20;
constexpr std::size_t kConnectorIdLength = 17;

// "connectors/connector-" and 17 letters and digits.
bool IsConnector(absl::string_view name) {
  return absl::ConsumePrefix(&name, "connectors/connector-") && name.size() == kConnectorIdLength &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); });
}

absl::Status CheckNotes(const pb::ServerNotes& notes) {
  RETURN_IF_ERROR(CheckText("source_server.notes.action_fqdn", notes.action_fqdn(), 0, kMaxNote));
  if (!notes.credentials_arn().empty()) {
    if (notes.credentials_arn().size() < kLeastArn) {
      return rpc::FieldError(
          "source_server.notes.credentials_arn",
          absl::StrCat("must have ", kLeastArn, " to ", kMaxNote, " characters"));
    }
    RETURN_IF_ERROR(
        CheckText("source_server.notes.credentials_arn", notes.credentials_arn(), 0, kMaxNote));
  }
  if (!notes.platform().empty() && notes.platform() != "linux" && notes.platform() != "windows") {
    return rpc::FieldError("source_server.notes.platform", "must be \"linux\" or \"windows\"");
  }
  if (!notes.connector().empty() && !IsConnector(notes.connector())) {
    return rpc::FieldError("source_server.notes.connector",
                           "must be connectors/connector- and 17 letters and digits");
  }
  return absl::OkStatus();
}

bool CanBeSet(absl::string_view path) {
  if (absl::ConsumePrefix(&path, kNotesPrefix)) {
    return pb::ServerNotes::descriptor()->FindFieldByName(std::string(path)) != nullptr;
  }
  return path == "tags" || path == kNotes || path == "user_provided_id" ||
         path == "replication_type";
}

// The fields of the notes that the mask names.
absl::Status MergeNotes(const pb::UpdateSourceServerRequest& request, std::string& document) {
  pb::ServerNotes notes;
  RETURN_IF_ERROR(FromJson(document, &notes));
  const pb::ServerNotes& wanted = request.source_server().notes();
  for (const std::string& path : request.update_mask().paths()) {
    if (path == kNotes) notes = wanted;
    if (!absl::StartsWith(path, kNotesPrefix)) continue;
    const FieldDescriptor* field = pb::ServerNotes::descriptor()->FindFieldByName(
        std::string(absl::StripPrefix(path, kNotesPrefix)));
    notes.GetReflection()->SetString(&notes, field,
                                     wanted.GetReflection()->GetString(wanted, field));
  }
  ASSIGN_OR_RETURN(document, ToJson(notes));
  return absl::OkStatus();
}

absl::Status Refused(const SourceServer& server, absl::string_view text, const char* reason) {
  const std::string name = absl::StrCat("sourceServers/", server.id);
  return rpc::WithInfo(absl::FailedPreconditionError(absl::StrCat(name, ": ", text)),
                       {.reason = reason, .domain = "registry", .metadata = {{"server", name}}});
}

absl::Status SetUserProvidedId(pg::Connection& connection, const std::string& wanted,
                               SourceServer& server) {
  if (wanted == server.user_provided_id) return absl::OkStatus();
  if (!server.user_provided_id.empty() && !server.public_key_hash.empty()) {
    return Refused(server,
                   absl::StrCat("its agent enrolled as \"", server.user_provided_id,
                                "\", and would be refused under another id"),
                   "USER_PROVIDED_ID_IMMUTABLE");
  }
  if (wanted.empty() && server.lifecycle == Lifecycle::kPendingInstallation) {
    return Refused(server, "no agent could join it without an id", "USER_PROVIDED_ID_REQUIRED");
  }
  if (!wanted.empty()) {
    ASSIGN_OR_RETURN(const std::optional<SourceServer> taken,
                     storage::LockServerOfUserProvidedId(connection, wanted));
    if (taken) {
      const std::string owner = absl::StrCat("sourceServers/", taken->id);
      return rpc::WithInfo(
          absl::AlreadyExistsError(absl::StrCat("user_provided_id: belongs to ", owner)),
          {.reason = "USER_PROVIDED_ID_TAKEN",
           .domain = "registry",
           .metadata = {{"server", owner}}});
    }
  }
  server.user_provided_id = wanted;
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckServerUpdate(const pb::UpdateSourceServerRequest& request) {
  const pb::SourceServer& wanted = request.source_server();
  RETURN_IF_ERROR(ServerId("source_server.name", wanted.name()));
  if (!request.request_id().empty()) RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  if (request.update_mask().paths().empty()) return rpc::FieldError("update_mask", "is required");
  for (const std::string& path : request.update_mask().paths()) {
    if (CanBeSet(path)) continue;
    return rpc::FieldError("update_mask",
                           absl::StrCat("\"", path.substr(0, 64),
                                        "\": only tags, notes, notes.FIELD, user_provided_id and "
                                        "replication_type can be set"));
  }
  RETURN_IF_ERROR(CheckTags("source_server.tags", wanted.tags()));
  RETURN_IF_ERROR(CheckText("source_server.user_provided_id", wanted.user_provided_id(), 0,
                            kMaxUserProvidedId));
  return CheckNotes(wanted.notes());
}

absl::Status ApplyServerUpdate(pg::Connection& connection,
                               const pb::UpdateSourceServerRequest& request, SourceServer& server) {
  const pb::SourceServer& wanted = request.source_server();
  for (const std::string& path : request.update_mask().paths()) {
    if (path == "tags") server.tags = TagsToJson(wanted.tags());
    if (path == "user_provided_id") {
      RETURN_IF_ERROR(SetUserProvidedId(connection, wanted.user_provided_id(), server));
    }
    if (path == "replication_type" && wanted.replication_type() != pb::SourceServer::AGENT_BASED) {
      return Refused(server, "servers replicate by their agent here; install one on the source",
                     "AGENT_ONLY");
    }
  }
  return MergeNotes(request, server.notes);
}

}  // namespace godwit::registry

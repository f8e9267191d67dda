#include "services/registry/rpc/convert.h"

#include <google/protobuf/util/json_util.h>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/registry/rpc/template_names.h"

namespace godwit::registry {
namespace {

namespace json = google::protobuf::util;

void SetRecord(const LaunchRecord& record, pb::LaunchRecord* out) {
  out->set_job(absl::StrCat("jobs/", record.job));
  if (record.initiate) SetTime(*record.initiate, out->mutable_initiate_time());
  if (record.finalize) SetTime(*record.finalize, out->mutable_finalize_time());
  if (record.revert) SetTime(*record.revert, out->mutable_revert_time());
}

}  // namespace

absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message) {
  std::string text;
  const auto status = json::MessageToJsonString(message, &text);
  if (!status.ok()) {
    return absl::InternalError(absl::StrCat("writing a document: ", status.ToString()));
  }
  return text;
}

absl::Status FromJson(const std::string& text, google::protobuf::Message* message) {
  message->Clear();
  if (text.empty()) return absl::OkStatus();
  json::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const auto status = json::JsonStringToMessage(text, message, options);
  if (!status.ok()) {
    return absl::DataLossError(
        absl::StrCat("stored document of ", message->GetTypeName(), ": ", status.ToString()));
  }
  return absl::OkStatus();
}

std::string TagsToJson(const Tags& tags) {
  pb::SourceServer holder;
  *holder.mutable_tags() = tags;
  const absl::StatusOr<std::string> text = ToJson(holder);
  return text.ok() ? *text : "{}";
}

absl::Status TagsFromJson(const std::string& text, Tags* tags) {
  pb::SourceServer holder;
  RETURN_IF_ERROR(FromJson(text, &holder));
  tags->swap(*holder.mutable_tags());
  return absl::OkStatus();
}

void SetTime(absl::Time time, google::protobuf::Timestamp* out) {
  const std::int64_t nanos = absl::ToUnixNanos(time);
  const std::int64_t seconds = absl::ToUnixSeconds(time);
  out->set_seconds(seconds);
  out->set_nanos(static_cast<int>(nanos - seconds * 1'000'000'000));
}

absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

absl::Duration DurationOf(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

void SetDuration(absl::Duration duration, google::protobuf::Duration* out) {
  const std::int64_t seconds = absl::IDivDuration(duration, absl::Seconds(1), &duration);
  out->set_seconds(seconds);
  out->set_nanos(static_cast<int>(absl::ToInt64Nanoseconds(duration)));
}

absl::StatusOr<pb::SourceServer> ToProto(const SourceServer& server) {
  pb::SourceServer out;
  out.set_name(absl::StrCat("sourceServers/", server.id));
  out.set_lifecycle_state(static_cast<pb::SourceServer::LifecycleState>(server.lifecycle));
  SetTime(server.state_time, out.mutable_state_time());
  out.set_archived(server.archived);
  if (!server.properties.empty()) {
    RETURN_IF_ERROR(FromJson(server.properties, out.mutable_properties()));
  }
  RETURN_IF_ERROR(TagsFromJson(server.tags, out.mutable_tags()));
  out.set_user_provided_id(server.user_provided_id);
  if (!server.application.empty()) {
    out.set_application(absl::StrCat("applications/", server.application));
  }
  if (!server.last_test.job.empty()) SetRecord(server.last_test, out.mutable_last_test());
  if (!server.last_cutover.job.empty()) SetRecord(server.last_cutover, out.mutable_last_cutover());
  if (!server.machine.empty()) {
    RETURN_IF_ERROR(FromJson(server.machine, out.mutable_launched_machine()));
  }
  out.set_launch_status(
      static_cast<jobs_pb::ParticipatingServer::LaunchStatus>(server.launch_status));
  out.set_identity_revoked(server.identity_revoked);
  SetTime(server.create_time, out.mutable_create_time());
  SetTime(server.update_time, out.mutable_update_time());
  out.set_etag(Etag(server.version));
  if (server.enroll_time) SetTime(*server.enroll_time, out.mutable_enroll_time());
  out.set_replication_type(pb::SourceServer::AGENT_BASED);
  if (server.notes != "{}") RETURN_IF_ERROR(FromJson(server.notes, out.mutable_notes()));
  return out;
}

absl::StatusOr<pb::Token> ToProto(const InstallationToken& token, const std::string& ca_pin) {
  pb::Token out;
  out.set_name(absl::StrCat("tokens/", token.id));
  SetTime(token.create_time, out.mutable_create_time());
  SetTime(token.expire_time, out.mutable_expire_time());
  out.set_max_uses(token.max_uses);
  out.set_use_count(token.use_count);
  out.set_revoked(token.revoked);
  out.set_description(token.description);
  RETURN_IF_ERROR(TagsFromJson(token.tags, out.mutable_tags()));
  out.set_ca_pin(ca_pin);
  out.set_replication_template(TemplateName(token.replication_template));
  out.set_launch_template(TemplateName(token.launch_template));
  return out;
}

}  // namespace godwit::registry

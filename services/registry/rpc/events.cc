#include "services/registry/rpc/events.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/field_rules.h"

namespace godwit::registry {
namespace {

constexpr int kMaxTypes = 20, kMaxServers = 1000, kMaxGroups = 100;

using Names = google::protobuf::RepeatedPtrField<std::string>;

absl::Status AddIds(const std::string& field, const char* collection, const char* prefix, int most,
                    const Names& names, std::set<std::string>& ids) {
  RETURN_IF_ERROR(CheckCount(field, names.size(), most));
  for (int i = 0; i < names.size(); ++i) {
    const std::string place = absl::StrCat(field, "[", i, "]");
    absl::StatusOr<std::string> id = ParseName(place, collection, prefix, names[i]);
    if (!id.ok()) {
      return rpc::FieldError(
          place, absl::StrCat("must be ", collection, "/", prefix, " and 17 hexadecimal digits"));
    }
    ids.insert(*std::move(id));
  }
  return absl::OkStatus();
}

std::string NameOf(absl::string_view collection, const std::string& id) {
  return id.empty() ? "" : absl::StrCat(collection, "/", id);
}

}  // namespace

pb::Event ToProto(const EventRecord& event, const std::string& stream) {
  pb::Event out;
  out.set_id(event.id);
  out.set_type(static_cast<pb::Event::Type>(event.type));
  SetTime(event.time, out.mutable_time());
  out.set_resource(event.resource);
  out.set_application(NameOf("applications", event.application_id));
  out.set_wave(NameOf("waves", event.wave_id));
  out.set_etag(Etag(event.version));
  out.set_cause(event.cause);
  out.set_principal(event.principal);
  out.set_lifecycle_state(static_cast<pb::SourceServer::LifecycleState>(event.lifecycle));
  out.set_launch_status(
      static_cast<jobs_pb::ParticipatingServer::LaunchStatus>(event.launch_status));
  out.set_job(NameOf("jobs", event.launch_job));
  out.set_archived(event.archived);
  out.set_display_name(event.display_name);
  if (event.sequence > 0) {  // a test has no place
    out.set_token(FormatEventToken({.stream = stream, .sequence = event.sequence}));
  }
  return out;
}

absl::StatusOr<EventFilter> FilterOf(const std::string& prefix, const pb::EventFilter& filter) {
  EventFilter out;
  RETURN_IF_ERROR(CheckCount(prefix + ".types", filter.types_size(), kMaxTypes));
  for (int i = 0; i < filter.types_size(); ++i) {
    const int type = filter.types(i);
    if (type == pb::Event::TYPE_UNSPECIFIED || type == pb::Event::TEST ||
        !pb::Event::Type_IsValid(type)) {
      return rpc::FieldError(absl::StrCat(prefix, ".types[", i, "]"),
                             absl::StrCat(type, " is no type of events that happen"));
    }
    out.types.insert(type);
  }
  RETURN_IF_ERROR(AddIds(prefix + ".source_servers", "sourceServers", "s-", kMaxServers,
                         filter.source_servers(), out.servers));
  RETURN_IF_ERROR(AddIds(prefix + ".applications", "applications", "app-", kMaxGroups,
                         filter.applications(), out.applications));
  RETURN_IF_ERROR(
      AddIds(prefix + ".waves", "waves", "wave-", kMaxGroups, filter.waves(), out.waves));
  return out;
}

absl::StatusOr<EventToken> SinceOf(const std::string& since) {
  absl::StatusOr<EventToken> token = ParseEventToken(since);
  if (!token.ok()) return rpc::FieldError("since", token.status().message());
  return token;
}

absl::Status CheckSince(const EventToken& token, const EventLook& look) {
  const absl::Status status = CheckEventToken(token, look);
  if (status.ok()) return status;
  return rpc::WithInfo(status, {.reason = "EVENTS_GONE", .domain = "registry"});
}

}  // namespace godwit::registry

#include "services/gateway/mgn/rpc/group_json.h"

#include "services/gateway/mgn/rpc/proto_time.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::registry::v1;
using nlohmann::json;

json StatusJson(const pb::GroupStatus& status, const char* total, int count) {
  json out = {{total, count}};
  PutTime(out, "lastUpdateDateTime", status.has_update_time(), status.update_time());
  if (status.health() != pb::GroupStatus::HEALTH_UNSPECIFIED) {
    out["healthStatus"] = pb::GroupStatus::Health_Name(status.health());
  }
  if (status.progress() != pb::GroupStatus::PROGRESS_UNSPECIFIED) {
    out["progressStatus"] = pb::GroupStatus::Progress_Name(status.progress());
  }
  return out;
}

// What both have.
template <typename Message>
json Common(const Message& group, const char* type, const char* id_member, const Place& place) {
  const std::string id = IdOf(group.name());
  json tags = json::object();
  for (const auto& [key, value] : group.tags()) tags[key] = value;
  json out = {{id_member, id},
              {"arn", Arn(place, type, id)},
              {"name", group.display_name()},
              {"isArchived", group.archived()},
              {"tags", tags}};
  PutText(out, "description", group.description());
  PutTime(out, "creationDateTime", group.has_create_time(), group.create_time());
  PutTime(out, "lastModifiedDateTime", group.has_update_time(), group.update_time());
  return out;
}

}  // namespace

json GroupJson(const pb::Application& application, const Place& place) {
  json out = Common(application, "application", "applicationID", place);
  out["applicationAggregatedStatus"] =
      StatusJson(application.status(), "totalSourceServers", application.status().server_count());
  if (!application.wave().empty()) out["waveID"] = IdOf(application.wave());
  return out;
}

json GroupJson(const pb::Wave& wave, const Place& place) {
  json out = Common(wave, "wave", "waveID", place);
  json status = StatusJson(wave.status(), "totalApplications", wave.status().application_count());
  PutTime(status, "replicationStartedDateTime", wave.status().has_replication_start_time(),
          wave.status().replication_start_time());
  out["waveAggregatedStatus"] = std::move(status);
  return out;
}

}  // namespace godwit::gateway::mgn

#include "services/gateway/mgn/rpc/transfer_json.h"

#include "godwit/registry/v1/transfer_service.pb.h"
#include "services/gateway/mgn/rpc/paged_list.h"
#include "services/gateway/mgn/rpc/proto_time.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::registry::v1;
using nlohmann::json;

// What imports and exports have.
template <typename Task>
json TaskJson(const Task& task, const char* id_name, const char* type, const Place& place) {
  const std::string id = IdOf(task.name());
  json out = {{id_name, id},
              {"arn", Arn(place, type, id)},
              {"status", pb::ImportTask::State_Name(task.state())}};
  PutTime(out, "creationDateTime", task.has_create_time(), task.create_time());
  PutTime(out, "endDateTime", task.has_end_time(), task.end_time());
  PutTags(out, task.tags());
  return out;
}

void PutFile(const pb::TransferFile& file, json& out) {
  out["s3Bucket"] = file.bucket();
  out["s3Key"] = file.key();
  PutText(out, "s3BucketOwner", file.bucket_owner());
}

json CountJson(const pb::ChangeCount& count) {
  return {{"createdCount", count.created_count()}, {"modifiedCount", count.modified_count()}};
}

}  // namespace

json ImportTaskJson(const pb::ImportTask& task, const Place& place) {
  json out = TaskJson(task, "importID", "import", place);
  if (task.has_file()) PutFile(task.file(), out["s3BucketSource"]);
  const bool ended = task.has_end_time();
  const double rows = static_cast<double>(task.row_count());
  out["progressPercentage"] = ended      ? 100.0
                              : rows > 0 ? 100.0 * static_cast<double>(task.done_row_count()) / rows
                                         : 0.0;
  out["summary"] = {{"waves", CountJson(task.waves())},
                    {"applications", CountJson(task.applications())},
                    {"servers", CountJson(task.servers())}};
  return out;
}

json ExportTaskJson(const pb::ExportTask& task, const Place& place) {
  json out = TaskJson(task, "exportID", "export", place);
  if (task.has_file()) PutFile(task.file(), out);
  out["progressPercentage"] = task.has_end_time() ? 100.0 : 0.0;
  out["summary"] = {{"serversCount", task.server_count()},
                    {"applicationsCount", task.application_count()},
                    {"wavesCount", task.wave_count()}};
  return out;
}

json ImportErrorJson(const pb::TransferError& error) {
  json data = {{"rawError", error.message()}, {"rowNumber", error.row_number()}};
  PutText(data, "sourceServerID", IdOf(error.source_server()));
  PutText(data, "applicationID", IdOf(error.application()));
  PutText(data, "waveID", IdOf(error.wave()));
  return {{"errorDateTime", ToText(error.time())},
          {"errorType", pb::TransferError::Type_Name(error.type())},
          {"errorData", data}};
}

json ExportErrorJson(const pb::TransferError& error) {
  std::string text = error.message();
  if (!error.source_server().empty()) text = IdOf(error.source_server()) + ": " + text;
  return {{"errorDateTime", ToText(error.time())}, {"errorData", {{"rawError", text}}}};
}

}  // namespace godwit::gateway::mgn

#include "services/gateway/mgn/rpc/job_json.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "godwit/jobs/v1/job.pb.h"
#include "services/gateway/mgn/rpc/proto_time.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::jobs::v1;
using nlohmann::json;

// MGN names the document that ran; ours is the command of the action.
constexpr char kActionDocument[] = "Godwit-RunCommand";
constexpr std::size_t kMostReason = 256;

const char* InitiatedBy(pb::Job::Type type) {
  switch (type) {
    case pb::Job::TEST_LAUNCH:
      return "START_TEST";
    case pb::Job::CUTOVER_LAUNCH:
      return "START_CUTOVER";
    default:
      return "TERMINATE";
  }
}

// MGN's jobs are COMPLETED also when every server failed: that is told per server.
const char* Status(pb::Job::State state) {
  switch (state) {
    case pb::Job::STATE_UNSPECIFIED:
    case pb::Job::PENDING:
      return "PENDING";
    case pb::Job::RUNNING:
    case pb::Job::CANCELLING:
      return "STARTED";
    default:
      return "COMPLETED";
  }
}

// How the actions after the launch ended; those that were not for this machine are left out. Null
// when there was none.
json ActionsJson(const pb::LaunchedMachine& machine) {
  json list = json::array();
  for (const pb::ActionResult& action : machine.actions()) {
    if (action.state() == pb::ActionResult::SKIPPED) continue;
    const bool good = action.state() == pb::ActionResult::SUCCEEDED;
    json one = {
        {"ssmDocument", {{"actionName", action.action_id()}, {"ssmDocumentName", kActionDocument}}},
        {"ssmDocumentType", "COMMAND"},
        {"executionStatus", good ? "SUCCESS" : "FAILED"}};
    if (action.blocks_cutover()) one["ssmDocument"]["mustSucceedForCutover"] = true;
    if (!good) PutText(one, "failureReason", action.message().substr(0, kMostReason));
    list.push_back(std::move(one));
  }
  if (list.empty()) return nullptr;
  return {{"postLaunchActionsLaunchStatusList", std::move(list)}};
}

json ParticipantJson(const pb::ParticipatingServer& server) {
  json out = {{"sourceServerID", IdOf(server.source_server())}};
  if (server.launch_status() != pb::ParticipatingServer::LAUNCH_STATUS_UNSPECIFIED) {
    out["launchStatus"] = pb::ParticipatingServer::LaunchStatus_Name(server.launch_status());
  }
  if (!server.has_machine()) return out;
  PutText(out, "launchedEc2InstanceID", server.machine().machine_id());
  json actions = ActionsJson(server.machine());
  if (!actions.is_null()) out["postLaunchActionsStatus"] = std::move(actions);
  return out;
}

}  // namespace

bool IsMgnJob(const pb::Job& job) {
  return job.type() == pb::Job::TEST_LAUNCH || job.type() == pb::Job::CUTOVER_LAUNCH ||
         job.type() == pb::Job::TERMINATE;
}

json JobJson(const pb::Job& job, const Place& place) {
  const std::string id = MgnJobId(job.name());
  json servers = json::array();
  for (const pb::ParticipatingServer& server : job.servers()) {
    servers.push_back(ParticipantJson(server));
  }
  json out = {{"jobID", id},
              {"arn", Arn(place, "job", id)},
              {"type", job.type() == pb::Job::TERMINATE ? "TERMINATE" : "LAUNCH"},
              {"initiatedBy", InitiatedBy(job.type())},
              {"status", Status(job.state())},
              {"participatingServers", servers},
              {"tags", json::object()}};
  PutTime(out, "creationDateTime", job.has_create_time(), job.create_time());
  PutTime(out, "endDateTime", job.has_end_time(), job.end_time());
  return out;
}

json JobLogJson(const pb::JobLogItem& item) {
  if (item.event() < pb::JobLogItem::JOB_START || item.event() > pb::JobLogItem::JOB_END) {
    return nullptr;
  }
  const std::string event = pb::JobLogItem::Event_Name(item.event());
  json out = {{"event", event}};
  PutTime(out, "logDateTime", item.has_time(), item.time());
  json data = json::object();
  if (!item.source_server().empty()) data["sourceServerID"] = IdOf(item.source_server());
  const auto machine = item.data().find("machine");
  if (machine != item.data().end()) data["targetInstanceID"] = machine->second;
  if (absl::EndsWith(event, "_FAIL") || absl::EndsWith(event, "_FAILED") ||
      event == "SERVER_SKIPPED" || event == "USING_PREVIOUS_SNAPSHOT") {
    PutText(data, "rawError", item.message());
  }
  if (!data.empty()) out["eventData"] = data;
  return out;
}

}  // namespace godwit::gateway::mgn

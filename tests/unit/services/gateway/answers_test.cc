// What the services say as MGN says it: the values, and that every answer fits the table.
#include <gtest/gtest.h>

#include <map>

#include "godwit/jobs/v1/job.pb.h"
#include "godwit/registry/v1/source_server.pb.h"
#include "godwit/replication/v1/replication.pb.h"
#include "services/gateway/mgn/model/tables.h"
#include "services/gateway/mgn/rpc/job_json.h"
#include "services/gateway/mgn/rpc/server_json.h"
#include "services/gateway/mgn/validate.h"

namespace godwit::gateway::mgn {
namespace {

using jobs::v1::ActionResult;
using jobs::v1::Job;
using jobs::v1::JobLogItem;
using jobs::v1::LaunchedMachine;
using jobs::v1::ParticipatingServer;
using nlohmann::json;
using registry::v1::SourceServer;
using replication::v1::InitiationStep;
using replication::v1::Replication;

constexpr char kServer[] = "sourceServers/s-0123456789abcdef0";
constexpr char kJob[] = "jobs/job-0123456789abcdef1";
const Place kPlace = {.region = "eu-central-1", .account = "123456789012"};

const Shape& Output(absl::string_view name) {
  for (const Operation* operation : AllOperations()) {
    if (operation->name == name) return *operation->output;
  }
  ADD_FAILURE() << name;
  return kBool;
}

void ExpectFits(absl::string_view operation, const json& answer) {
  for (const FieldFault& fault : Faults(Output(operation), answer)) {
    ADD_FAILURE() << operation << ": " << fault.name << " " << fault.message << "\n"
                  << answer.dump(1);
  }
}

LaunchedMachine Machine() {
  LaunchedMachine machine;
  machine.set_machine_id("i-0123456789abcdef2");
  machine.set_job(kJob);
  machine.set_first_boot(LaunchedMachine::SUCCEEDED);
  return machine;
}

SourceServer Server() {
  SourceServer server;
  server.set_name(kServer);
  server.set_lifecycle_state(SourceServer::TESTING);
  server.mutable_create_time()->set_seconds(1767323045);
  server.mutable_create_time()->set_nanos(678'000'000);
  (*server.mutable_tags())["key"] = "value";
  server.set_user_provided_id("web 1");
  server.set_application("applications/app-0123456789abcdef3");
  server.mutable_last_test()->set_job(kJob);
  server.mutable_last_test()->mutable_initiate_time()->set_seconds(1767323046);
  server.mutable_last_test()->mutable_revert_time()->set_seconds(1767323047);
  server.mutable_last_cutover()->mutable_finalize_time()->set_seconds(1767323048);
  *server.mutable_launched_machine() = Machine();
  auto& properties = *server.mutable_properties();
  properties.set_hostname("web1");
  properties.set_fqdn("web1.example");
  properties.set_ram_bytes(1 << 30);
  properties.mutable_os()->set_full_string("Debian GNU/Linux 12");
  auto* disk = properties.add_disks();
  disk->set_device_name("/dev/sda");
  disk->set_size_bytes(5'000'000'000);
  auto* cpu = properties.add_cpus();
  cpu->set_model_name("EPYC");
  cpu->set_core_count(2);
  auto* nic = properties.add_network_interfaces();
  nic->set_mac_address("52:54:00:00:00:01");
  nic->add_addresses("192.0.2.7/24");
  nic->add_addresses("2001:db8::7/64");
  nic->set_is_primary(true);
  return server;
}

Replication Replicating() {
  Replication replication;
  replication.set_state(Replication::CONTINUOUS);
  replication.mutable_lag()->set_seconds(3723);
  replication.mutable_latest_point_time()->set_seconds(1767323045);
  replication.mutable_eta_time()->set_seconds(1767323045);
  replication.mutable_agent_seen_time()->set_seconds(1767323050);
  for (int step = InitiationStep::WAIT; step <= InitiationStep::START_DATA_TRANSFER; ++step) {
    auto* entry = replication.add_initiation_steps();
    entry->set_step(static_cast<InitiationStep::Step>(step));
    entry->set_status(InitiationStep::SUCCEEDED);
  }
  auto* disk = replication.add_disks();
  disk->set_device_name("/dev/sda");
  disk->set_total_bytes(5'000'000'000);
  disk->set_replicated_bytes(4'000'000'000);
  return replication;
}

json Info(const json& server) { return server["dataReplicationInfo"]; }

TEST(Answers, SourceServer) {
  const Replication replication = Replicating();
  const json shown = SourceServerJson(Server(), &replication, kPlace);
  ExpectFits("DescribeSourceServers", {{"items", {shown}}, {"nextToken", "x"}});
  ExpectFits("FinalizeCutover", shown);
  EXPECT_EQ(shown["arn"],
            "arn:aws:mgn:eu-central-1:123456789012:source-server/s-0123456789abcdef0");
  EXPECT_EQ(shown["launchedInstance"], (json{{"ec2InstanceID", "i-0123456789abcdef2"},
                                             {"jobID", "mgnjob-0123456789abcdef1"},
                                             {"firstBoot", "SUCCEEDED"}}));
  EXPECT_EQ(shown["lifeCycle"]["addedToServiceDateTime"], "2026-01-02T03:04:05.678Z");
  EXPECT_EQ(shown["lifeCycle"]["lastSeenByServiceDateTime"], "2026-01-02T03:04:10.000Z");
  EXPECT_EQ(shown["lifeCycle"]["lastTest"]["initiated"]["jobID"], "mgnjob-0123456789abcdef1");
  EXPECT_FALSE(shown["lifeCycle"]["lastCutover"].contains("initiated"));
  EXPECT_EQ(shown["sourceProperties"]["networkInterfaces"][0]["ips"],
            (json{"192.0.2.7", "2001:db8::7"}));
  EXPECT_EQ(Info(shown)["lagDuration"], "PT1H2M3S");
  EXPECT_EQ(Info(shown)["dataReplicationInitiation"]["steps"].size(), 11u);
  EXPECT_EQ(Info(shown)["replicatedDisks"][0]["totalStorageBytes"], 5'000'000'000);
}

TEST(Answers, EveryStateAndStallHasAWordOfMgn) {
  for (int state = SourceServer::LifecycleState_MIN + 1; state <= SourceServer::LifecycleState_MAX;
       ++state) {
    SourceServer server = Server();
    server.set_lifecycle_state(static_cast<SourceServer::LifecycleState>(state));
    ExpectFits("StartReplication", SourceServerJson(server, nullptr, kPlace));
  }
  for (int state = Replication::State_MIN; state <= Replication::State_MAX; ++state) {
    Replication replication = Replicating();
    replication.set_state(static_cast<Replication::State>(state));
    ExpectFits("StartReplication", SourceServerJson(Server(), &replication, kPlace));
  }
  for (int cause = Replication::StallCause_MIN; cause <= Replication::StallCause_MAX; ++cause) {
    if (!Replication::StallCause_IsValid(cause)) continue;
    Replication replication = Replicating();
    replication.set_state(Replication::STALLED);
    replication.set_stall_cause(static_cast<Replication::StallCause>(cause));
    replication.mutable_error()->set_message("text");
    const json shown = SourceServerJson(Server(), &replication, kPlace);
    ExpectFits("StartReplication", shown);
    EXPECT_NE(Info(shown)["dataReplicationError"]["rawError"].get<std::string>().find("text"),
              std::string::npos);
  }
  for (int boot = LaunchedMachine::FirstBoot_MIN; boot <= LaunchedMachine::FirstBoot_MAX; ++boot) {
    SourceServer server = Server();
    server.mutable_launched_machine()->set_first_boot(
        static_cast<LaunchedMachine::FirstBoot>(boot));
    ExpectFits("StartReplication", SourceServerJson(server, nullptr, kPlace));
  }
}

// Scripts take the presence of lagDuration for "launchable".
TEST(Answers, AServerThatLeftHasNoLagAndNoTotals) {
  const Replication replication = Replicating();
  for (const auto state : {SourceServer::CUTOVER, SourceServer::DISCONNECTED}) {
    SourceServer server = Server();
    server.set_lifecycle_state(state);
    const json info = Info(SourceServerJson(server, &replication, kPlace));
    EXPECT_EQ(info["dataReplicationState"], "DISCONNECTED");
    EXPECT_FALSE(info.contains("lagDuration") || info.contains("etaDateTime"));
    EXPECT_EQ(info["replicatedDisks"][0]["totalStorageBytes"], 0);
  }
  Replication fresh = Replicating();
  fresh.clear_lag();
  EXPECT_FALSE(Info(SourceServerJson(Server(), &fresh, kPlace)).contains("lagDuration"));
  const json none = Info(SourceServerJson(Server(), nullptr, kPlace));
  EXPECT_EQ(none["dataReplicationState"], "STOPPED");
  EXPECT_TRUE(none["dataReplicationInitiation"].contains("steps"));
}

TEST(Answers, Jobs) {
  Job job;
  job.set_name(kJob);
  job.mutable_create_time()->set_seconds(1767323045);
  job.mutable_end_time()->set_seconds(1767323046);
  ParticipatingServer* server = job.add_servers();
  server->set_source_server(kServer);
  *server->mutable_machine() = Machine();
  const std::map<Job::Type, std::pair<const char*, const char*>> kTypes = {
      {Job::TEST_LAUNCH, {"LAUNCH", "START_TEST"}},
      {Job::CUTOVER_LAUNCH, {"LAUNCH", "START_CUTOVER"}},
      {Job::TERMINATE, {"TERMINATE", "TERMINATE"}}};
  for (int type = Job::Type_MIN; type <= Job::Type_MAX; ++type) {
    job.set_type(static_cast<Job::Type>(type));
    const auto found = kTypes.find(job.type());
    ASSERT_EQ(IsMgnJob(job), found != kTypes.end()) << type;
    if (found == kTypes.end()) continue;
    for (int state = Job::State_MIN; state <= Job::State_MAX; ++state) {
      job.set_state(static_cast<Job::State>(state));
      for (int launch = ParticipatingServer::LaunchStatus_MIN;
           launch <= ParticipatingServer::LaunchStatus_MAX; ++launch) {
        server->set_launch_status(static_cast<ParticipatingServer::LaunchStatus>(launch));
        const json shown = JobJson(job, kPlace);
        ExpectFits("StartTest", {{"job", shown}});
        EXPECT_EQ(shown["type"], found->second.first);
        EXPECT_EQ(shown["initiatedBy"], found->second.second);
      }
    }
  }
  job.set_state(Job::FAILED);
  EXPECT_EQ(JobJson(job, kPlace)["status"], "COMPLETED");
  job.set_state(Job::CANCELLING);
  EXPECT_EQ(JobJson(job, kPlace)["status"], "STARTED");
}

TEST(Answers, ActionsOfALaunch) {
  Job job;
  job.set_name(kJob);
  job.set_type(Job::TEST_LAUNCH);
  job.mutable_create_time()->set_seconds(1767323045);
  ParticipatingServer* server = job.add_servers();
  server->set_source_server(kServer);
  server->set_launch_status(ParticipatingServer::LAUNCHED);
  server->mutable_machine()->set_machine_id("i-0123456789abcdef0");
  EXPECT_FALSE(JobJson(job, kPlace)["participatingServers"][0].contains("postLaunchActionsStatus"));
  for (const auto state : {ActionResult::SUCCEEDED, ActionResult::SKIPPED, ActionResult::FAILED}) {
    ActionResult* action = server->mutable_machine()->add_actions();
    action->set_action_id(ActionResult::State_Name(state));
    action->set_state(state);
    action->set_blocks_cutover(state == ActionResult::FAILED);
    action->set_message(std::string(1000, 'x'));
  }
  const json shown = JobJson(job, kPlace);
  ExpectFits("StartTest", {{"job", shown}});
  const json& list = shown["participatingServers"][0]["postLaunchActionsStatus"]
                          ["postLaunchActionsLaunchStatusList"];
  ASSERT_EQ(list.size(), 2u) << "what was skipped did not run";
  EXPECT_EQ(list[0]["executionStatus"], "SUCCESS");
  EXPECT_FALSE(list[0].contains("failureReason"));
  EXPECT_EQ(list[1]["executionStatus"], "FAILED");
  EXPECT_EQ(list[1]["ssmDocument"]["actionName"], "FAILED");
  EXPECT_EQ(list[1]["ssmDocument"]["mustSucceedForCutover"], true);
  EXPECT_EQ(list[1]["failureReason"].get<std::string>().size(), 256u);
}

TEST(Answers, JobLog) {
  int shown_events = 0;
  for (int event = JobLogItem::Event_MIN; event <= JobLogItem::Event_MAX; ++event) {
    if (!JobLogItem::Event_IsValid(event)) continue;
    JobLogItem item;
    item.set_event(static_cast<JobLogItem::Event>(event));
    item.mutable_time()->set_seconds(1767323045);
    item.set_source_server(kServer);
    item.set_message("because");
    (*item.mutable_data())["machine"] = "i-0123456789abcdef2";
    const json shown = JobLogJson(item);
    if (shown.is_null()) continue;
    ++shown_events;
    ExpectFits("DescribeJobLogItems", {{"items", {shown}}});
    EXPECT_EQ(shown["eventData"].contains("rawError"),
              event == JobLogItem::SERVER_SKIPPED || event == JobLogItem::CLEANUP_FAIL ||
                  event == JobLogItem::SNAPSHOT_FAIL || event == JobLogItem::CONVERSION_FAIL ||
                  event == JobLogItem::LAUNCH_FAILED ||
                  event == JobLogItem::USING_PREVIOUS_SNAPSHOT);
  }
  EXPECT_EQ(shown_events, 16);
}

}  // namespace
}  // namespace godwit::gateway::mgn

#include <sstream>

#include "absl/strings/str_cat.h"
#include "cli/format.h"
#include "cli/views/fleet_view.h"
#include "cli/views/job_view.h"
#include "cli/views/replication_view.h"
#include "cli/views/server_view.h"
#include "cli/views/settings_view.h"
#include "tests/support/status_matchers.h"

namespace godwit::cli {
namespace {

using jobs::v1::Job;
using jobs::v1::JobStep;
using replication::v1::Replication;
using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kNow = absl::FromUnixSeconds(1714564807);

Replication Syncing() {
  Replication replication;
  replication.set_name("sourceServers/s-1/replication");
  replication.set_state(Replication::INITIAL_SYNC);
  auto& disk = *replication.add_disks();
  disk.set_device_name("/dev/sda");
  disk.set_total_bytes(4 << 20);
  disk.set_replicated_bytes(1 << 20);
  replication.set_bytes_per_second(2 << 20);
  replication.mutable_eta_time()->set_seconds(1714564807 + 90);
  return replication;
}

Job Running() {
  Job job;
  job.set_name("jobs/job-1");
  job.set_state(Job::RUNNING);
  auto& server = *job.add_servers();
  server.set_source_server("sourceServers/s-1");
  server.add_steps()->set_state(JobStep::SUCCEEDED);
  auto& step = *server.add_steps();
  step.set_step("convert");
  step.set_state(JobStep::RUNNING);
  step.set_total_bytes(100);
  step.set_done_bytes(50);
  server.add_steps()->set_state(JobStep::WAITING);
  server.add_steps()->set_state(JobStep::WAITING);
  return job;
}

TEST(ReplicationView, FiguresOfAnInitialSync) {
  const Replication replication = Syncing();
  EXPECT_DOUBLE_EQ(InitialSyncFraction(replication), 0.25);
  EXPECT_EQ(ReplicationLine(replication, kNow),
            "s-1: INITIAL_SYNC, 1.0 MiB of 4.0 MiB, 2.0 MiB/s, 1m 30s left");
}

TEST(ReplicationView, AStallSaysWhy) {
  Replication replication = Syncing();
  replication.set_state(Replication::STALLED);
  replication.set_stall_cause(Replication::STAGING_FULL);
  replication.mutable_error()->set_message("0 B free");
  EXPECT_EQ(ReplicationLine(replication, kNow), "s-1: STALLED, STAGING_FULL: 0 B free");
}

TEST(ReplicationView, NoFractionWithoutDisks) { EXPECT_LT(InitialSyncFraction(Replication()), 0); }

TEST(ReplicationView, InitiationIsShownWhileItLasts) {
  Replication replication = Syncing();
  auto& step = *replication.add_initiation_steps();
  step.set_step(replication::v1::InitiationStep::START_DATA_TRANSFER);
  step.set_status(replication::v1::InitiationStep::IN_PROGRESS);
  std::ostringstream during, after;
  PrintReplication(replication, kNow, during);
  EXPECT_THAT(during.str(), HasSubstr("START_DATA_TRANSFER  IN_PROGRESS"));
  replication.mutable_initiation_steps(0)->set_status(replication::v1::InitiationStep::SUCCEEDED);
  PrintReplication(replication, kNow, after);
  EXPECT_THAT(after.str(), Not(HasSubstr("START_DATA_TRANSFER")));
}

TEST(ReplicationView, LossesAndSpaceAreShownWhenThereIsSomethingToTell) {
  Replication replication = Syncing();
  std::ostringstream quiet, loud;
  PrintReplication(replication, kNow, quiet);
  EXPECT_THAT(quiet.str(), Not(HasSubstr("Lost on the source")));
  EXPECT_THAT(quiet.str(), Not(HasSubstr("Disks compared")));
  EXPECT_THAT(quiet.str(), Not(HasSubstr("Stored")));
  replication.set_stored_bytes(3 << 20);
  auto& loss = *replication.mutable_health()->add_losses();
  loss.set_kind(replication::v1::Loss::PASSTHROUGH);
  loss.set_count(2);
  replication.mutable_health()->set_rescan_count(1);
  replication.mutable_health()->set_rescan_reason("d-1: marks may be lost");
  for (const int permille : {612, 120}) {
    auto& share = *replication.mutable_bottleneck()->add_shares();
    share.set_stage(permille > 500 ? replication::v1::Bottleneck::WORKER_SYNC
                                   : replication::v1::Bottleneck::LINK);
    share.set_permille(permille);
  }
  PrintReplication(replication, kNow, loud);
  EXPECT_THAT(loud.str(), HasSubstr("PASSTHROUGH 2"));
  EXPECT_THAT(loud.str(), HasSubstr("d-1: marks may be lost"));
  EXPECT_THAT(loud.str(), HasSubstr("WORKER_SYNC 61%, LINK 12%"));
  EXPECT_THAT(loud.str(), HasSubstr("3.0 MiB with all points and clones"));
}

TEST(PointView, SaysWhatAPointHoldsAndWhenItGoes) {
  replication::v1::ListPointsResponse list;
  for (int i = 0; i < 4; ++i)
    list.add_points()->set_name(absl::StrCat("sourceServers/s-1/points/p-", i));
  list.mutable_points(1)->mutable_expire_time()->set_seconds(1714564807);
  list.mutable_points(1)->set_own_bytes(5 << 20);
  list.mutable_points(2)->set_pinned(true);
  list.mutable_points(3)->set_clone_count(1);
  std::ostringstream out;
  PrintPoints(list, out);
  EXPECT_THAT(out.str(), HasSubstr("5.0 MiB"));
  EXPECT_THAT(out.str(), HasSubstr("not while the newest"));
  EXPECT_THAT(out.str(), HasSubstr("never (pinned)"));
  EXPECT_THAT(out.str(), HasSubstr("not while in use"));
  EXPECT_THAT(out.str(), HasSubstr(When(list.points(1).expire_time())));
}

TEST(JobView, ProgressCountsStepsAndBytes) {
  EXPECT_DOUBLE_EQ(JobFraction(Running()), 1.5 / 4);
  EXPECT_LT(JobFraction(Job()), 0);
  EXPECT_EQ(JobNow(Running()), "convert 50 B of 100 B");
}

TEST(JobView, FailureNamesTheServersCause) {
  Job job = Running();
  job.set_state(Job::FAILED);
  job.mutable_error()->set_message("1 of 1 servers failed");
  EXPECT_EQ(JobFailure(job), "job-1 FAILED: 1 of 1 servers failed");
  job.mutable_servers(0)->mutable_error()->set_message("no boot within 5m");
  EXPECT_EQ(JobFailure(job), "job-1 FAILED: s-1: no boot within 5m");
  EXPECT_TRUE(Ended(job));
}

TEST(JobView, HostNamesInTheListWhereTheyAreKnown) {
  jobs::v1::ListJobsResponse list;
  *list.add_jobs() = Running();
  std::ostringstream known, unknown;
  PrintJobs(list, {{"sourceServers/s-1", "web1"}}, known);
  EXPECT_THAT(known.str(), HasSubstr("web1"));
  PrintJobs(list, {}, unknown);
  EXPECT_THAT(unknown.str(), HasSubstr("s-1"));
}

TEST(JobView, LogLine) {
  jobs::v1::JobLogItem item;
  item.mutable_time()->set_seconds(1714564807);
  item.set_event(jobs::v1::JobLogItem::SNAPSHOT_END);
  item.set_source_server("sourceServers/s-1");
  item.set_message("p-1\nnext");
  EXPECT_EQ(LogLine(item), "2024-05-01 12:00:07Z  SNAPSHOT_END             s-1  p-1?next");
}

TEST(ServerView, NameTagsAndEndpointsInOrder) {
  registry::v1::SourceServer server;
  server.set_name("sourceServers/s-1");
  server.set_user_provided_id("own");
  server.set_lifecycle_state(registry::v1::SourceServer::TESTING);
  EXPECT_EQ(ServerLine(server), "s-1 (own): TESTING");
  server.mutable_properties()->set_hostname("web1");
  server.set_archived(true);
  EXPECT_EQ(ServerLine(server), "s-1 (web1): TESTING, archived");
  (*server.mutable_tags())["b"] = "2";
  (*server.mutable_tags())["a"] = "1";
  EXPECT_EQ(Tags(server.tags()), "a=1, b=2");
  jobs::v1::LaunchedMachine machine;
  (*machine.mutable_endpoints())[443] = "127.0.0.1:2";
  (*machine.mutable_endpoints())[80] = "127.0.0.1:1";
  EXPECT_EQ(Endpoints(machine), "80 -> 127.0.0.1:1, 443 -> 127.0.0.1:2");
}

TEST(SettingsView, DefaultsAreSpelledOut) {
  std::ostringstream launch, replication;
  PrintLaunchSettings({}, launch);
  EXPECT_THAT(launch.str(), HasSubstr("ISOLATED (default)"));
  EXPECT_THAT(launch.str(), HasSubstr("chosen by right-sizing"));
  registry::v1::ReplicationSettings limited;
  limited.set_bandwidth_limit_bytes_per_second(3 << 20);
  limited.add_bandwidth_windows()->set_end_minute(1440);
  std::ostringstream limits;
  PrintReplicationSettings(limited, limits);
  EXPECT_THAT(limits.str(), HasSubstr("3.0 MiB/s"));
  EXPECT_THAT(limits.str(), HasSubstr("daily 00:00 to 24:00 UTC: paused"));
  PrintReplicationSettings({}, replication);
  EXPECT_THAT(replication.str(), HasSubstr("72h (default)"));
}

TEST(FleetView, ATokensStateAndHowToUseIt) {
  registry::v1::ListTokensResponse list;
  auto& token = *list.add_tokens();
  token.set_name("tokens/t-1");
  token.set_max_uses(1);
  token.mutable_expire_time()->set_seconds(1714564807 + 1);
  const auto state = [&] {
    std::ostringstream out;
    PrintTokens(list, kNow, out);
    return out.str();
  };
  EXPECT_THAT(state(), HasSubstr("valid"));
  token.set_use_count(1);
  EXPECT_THAT(state(), HasSubstr("used up"));
  token.mutable_expire_time()->set_seconds(1714564807);
  EXPECT_THAT(state(), HasSubstr("expired"));
  token.set_revoked(true);
  EXPECT_THAT(state(), HasSubstr("revoked"));
  EXPECT_THAT(state(), HasSubstr("  default "));
  token.set_launch_template("settingsTemplates/databases");
  EXPECT_THAT(state(), HasSubstr("default + databases"));
  token.set_replication_template("settingsTemplates/databases");
  EXPECT_THAT(state(), HasSubstr("  databases "));

  token.set_secret("godwit-t-1.secret");
  token.set_ca_pin("abcd");
  std::ostringstream out;
  PrintNewToken(token, "registry.example.org:7000", out);
  EXPECT_THAT(out.str(), HasSubstr("godwit-t-1.secret"));
  EXPECT_THAT(out.str(), HasSubstr("godwit-agent install --registry registry.example.org:7000 "
                                   "--token-file FILE --ca-pin abcd"));
}

}  // namespace
}  // namespace godwit::cli

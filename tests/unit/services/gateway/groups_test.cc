// Applications and waves as MGN says them, and whose members a refusal names.
#include <gtest/gtest.h>

#include "services/common/rpc/serve.h"
#include "services/gateway/mgn/model/tables.h"
#include "services/gateway/mgn/rpc/group_json.h"
#include "services/gateway/mgn/rpc/member_names.h"
#include "services/gateway/mgn/validate.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::registry::v1;
using nlohmann::json;

const Place kPlace = {.region = "eu-central-1", .account = "123456789012"};

void ExpectFits(absl::string_view name, const json& answer) {
  for (const Operation* operation : AllOperations()) {
    if (operation->name != name) continue;
    for (const FieldFault& fault : Faults(*operation->output, answer)) {
      ADD_FAILURE() << name << ": " << fault.name << " " << fault.message << "\n" << answer.dump(1);
    }
  }
}

pb::GroupStatus Status() {
  pb::GroupStatus status;
  status.set_health(pb::GroupStatus::LAGGING);
  status.set_progress(pb::GroupStatus::IN_PROGRESS);
  status.set_server_count(3);
  status.set_application_count(2);
  status.mutable_update_time()->set_seconds(1767323045);
  status.mutable_replication_start_time()->set_seconds(1767323000);
  return status;
}

TEST(Groups, AnApplication) {
  pb::Application application;
  application.set_name("applications/app-0123456789abcdef0");
  application.set_display_name("Shop");
  application.set_wave("waves/wave-0123456789abcdef1");
  application.mutable_create_time()->set_seconds(1767323045);
  (*application.mutable_tags())["key"] = "value";
  *application.mutable_status() = Status();
  const json shown = GroupJson(application, kPlace);
  ExpectFits("CreateApplication", shown);
  EXPECT_EQ(shown["arn"],
            "arn:aws:mgn:eu-central-1:123456789012:application/app-0123456789abcdef0");
  EXPECT_EQ(shown["waveID"], "wave-0123456789abcdef1");
  EXPECT_FALSE(shown.contains("description"));
  EXPECT_EQ(shown["creationDateTime"], "2026-01-02T03:04:05.000Z");
  const json& status = shown["applicationAggregatedStatus"];
  EXPECT_EQ(status["healthStatus"], "LAGGING");
  EXPECT_EQ(status["progressStatus"], "IN_PROGRESS");
  EXPECT_EQ(status["totalSourceServers"], 3);
  application.mutable_status()->clear_health();
  EXPECT_FALSE(
      GroupJson(application, kPlace)["applicationAggregatedStatus"].contains("healthStatus"));
}

TEST(Groups, AWave) {
  pb::Wave wave;
  wave.set_name("waves/wave-0123456789abcdef1");
  wave.set_display_name("First");
  wave.set_description("the first\nof two");
  *wave.mutable_status() = Status();
  const json shown = GroupJson(wave, kPlace);
  ExpectFits("CreateWave", shown);
  EXPECT_EQ(shown["waveAggregatedStatus"]["totalApplications"], 2);
  EXPECT_EQ(shown["waveAggregatedStatus"]["replicationStartedDateTime"],
            "2026-01-02T03:03:20.000Z");
}

TEST(InMembers, RenamesFieldsInTextAndDetails) {
  const MemberNames names = {{"wave.tags", "tags"}, {"wave.name", "waveID"}};
  const absl::Status renamed = InMembers(rpc::FieldError("wave.tags[a b]", "is too long"), names);
  EXPECT_EQ(renamed.message(), "tags[a b]: is too long");
  ASSERT_EQ(rpc::GetInfo(renamed).field_violations.size(), 1u);
  EXPECT_EQ(rpc::GetInfo(renamed).field_violations[0].first, "tags[a b]");
  // What only begins the same is something else.
  EXPECT_EQ(InMembers(rpc::FieldError("wave.names", "x"), names).message(), "wave.names: x");
  EXPECT_EQ(InMembers(absl::NotFoundError("wave.name: x"), names).message(), "wave.name: x");
  EXPECT_TRUE(InMembers(absl::OkStatus(), names).ok());
}

}  // namespace
}  // namespace godwit::gateway::mgn

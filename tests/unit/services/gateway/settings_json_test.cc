// Settings as MGN says them: what comes in has its effect, what means nothing here comes back as
// it was, and every answer fits the table.
#include "services/gateway/mgn/model/settings_shapes.h"

#include <gtest/gtest.h>

#include <set>

#include "services/common/base/file.h"
#include "services/common/rpc/serve.h"
#include "services/gateway/mgn/rpc/action_json.h"
#include "services/gateway/mgn/rpc/launch_settings_json.h"
#include "services/gateway/mgn/rpc/notes.h"
#include "services/gateway/mgn/rpc/post_launch_documents.h"
#include "services/gateway/mgn/rpc/replication_settings_json.h"
#include "services/gateway/mgn/rpc/template_json.h"
#include "services/gateway/mgn/validate.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::gateway::mgn {
namespace {

using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;
using jobs::v1::LaunchSettings;
using jobs::v1::PostLaunchAction;
using nlohmann::json;
using registry::v1::ReplicationSettings;
using registry::v1::SettingsTemplate;
using registry::v1::SourceProperties;

std::string FieldOf(const absl::Status& status) {
  const rpc::ErrorInfo info = rpc::GetInfo(status);
  return info.field_violations.empty() ? "" : info.field_violations[0].first;
}

void ExpectFits(const Shape& shape, const json& answer) {
  for (const FieldFault& fault : Faults(shape, answer)) {
    ADD_FAILURE() << fault.name << " " << fault.message << "\n" << answer.dump(1);
  }
}

class SettingsJsonTest : public ::testing::Test {
 protected:
  SettingsJsonTest() {
    Write("single", "uptime\n");
    Write("many/1", "one");
    Write("many/2", "two");
    Write("many/10", "ten");
    Write("chosen/1", "one");
    Write("chosen/2", "two");
    Write("chosen/default", "one");
  }
  void Write(const std::string& name, const std::string& text) {
    const std::string path = dir_ / name;
    EXPECT_OK(MakeDirs(path.substr(0, path.rfind('/'))));
    EXPECT_OK(WriteFileAtomically(path, text));
  }
  absl::StatusOr<std::string> Read(absl::string_view identifier, absl::string_view version = "") {
    return documents_.Read("documentIdentifier", identifier, version);
  }
  static json Put(const std::string& id, int order) {
    return {{"actionID", id},
            {"actionName", "name of " + id},
            {"documentIdentifier", "single"},
            {"order", order}};
  }

  TempDir dir_;
  const Documents documents_{dir_.path()};
};

TEST_F(SettingsJsonTest, Documents) {
  EXPECT_EQ(Read("single").value_or(""), "uptime\n");
  EXPECT_EQ(Read("single", "1").value_or(""), "uptime\n");
  EXPECT_EQ(Read("arn:aws:ssm:us-east-1:123456789012:document/single").value_or(""), "uptime\n");
  EXPECT_EQ(Read("many", "$LATEST").value_or(""), "ten");
  EXPECT_EQ(Read("many", "$DEFAULT").value_or(""), "ten");
  EXPECT_EQ(Read("many", "2").value_or(""), "two");
  EXPECT_EQ(Read("chosen").value_or(""), "one");
  EXPECT_EQ(Read("chosen", "$LATEST").value_or(""), "two");
  for (const char* name : {"none", "", "../single", ".hidden", "many/1", "a b"}) {
    EXPECT_EQ(FieldOf(Read(name).status()), "documentIdentifier") << name;
  }
  for (const char* version : {"3", "01", "99999999999999999999999"}) {
    EXPECT_EQ(FieldOf(Read("many", version).status()), "documentVersion") << version;
  }
  EXPECT_EQ(FieldOf(Read("single", "2").status()), "documentVersion");
  Write("large", std::string(16 * 1024 + 1, 'x'));
  Write("empty", "");
  Write("bell", "echo \a");
  Write("latin1", "echo \xe9");
  for (const char* name : {"large", "empty", "bell", "latin1"}) {
    EXPECT_EQ(FieldOf(Read(name).status()), "documentIdentifier") << name;
  }
  Write("utf8", "echo é");
  EXPECT_OK(Read("utf8"));
  EXPECT_THAT(Documents("").Read("documentIdentifier", "single", ""),
              StatusIs(absl::StatusCode::kInvalidArgument, "--documents"));
}

TEST_F(SettingsJsonTest, ReplicationKeepsWhatMeansNothingHere) {
  const json told = {{"bandwidthThrottling", 100},
                     {"ebsEncryption", "CUSTOM"},
                     {"stagingAreaTags", {{"a", "b"}}},
                     {"stagingAreaSubnetId", "subnet-0123456789abcdef0"},
                     {"replicationServersSecurityGroupsIDs", json::array()},
                     {"createPublicIP", false},
                     {"name", ""}};
  ReplicationSettings settings;
  settings.set_lane_count(3);
  json input = told;
  input["sourceServerID"] = "s-0123456789abcdef0";
  ASSERT_OK(ReadReplication(input, &settings));
  EXPECT_EQ(settings.bandwidth_limit_bytes_per_second(), 12'500'000);
  EXPECT_TRUE(settings.encrypt_staging());
  EXPECT_EQ(settings.staging_tags().at("a"), "b");
  EXPECT_EQ(settings.lane_count(), 3);
  EXPECT_EQ(settings.notes().size(), 4u);
  EXPECT_EQ(ReplicationJson(settings, kReplicationConfiguration), told);
  // A template has no name.
  const json of_template = ReplicationJson(settings, kReplicationConfigurationTemplate);
  EXPECT_FALSE(of_template.contains("name"));
  EXPECT_EQ(of_template["createPublicIP"], false);

  EXPECT_EQ(FieldOf(ReadReplication({{"stagingAreaTags", {{"", "x"}}}}, &settings)),
            "stagingAreaTags");
  // What nobody set is not there.
  EXPECT_EQ(ReplicationJson({}, kReplicationConfiguration),
            json({{"bandwidthThrottling", 0},
                  {"ebsEncryption", "DEFAULT"},
                  {"stagingAreaTags", json::object()}}));
}

TEST_F(SettingsJsonTest, RatesThatMgnHasNoNumberFor) {
  ReplicationSettings settings;
  settings.set_bandwidth_limit_bytes_per_second(16384);
  EXPECT_EQ(ReplicationJson(settings, kReplicationConfiguration)["bandwidthThrottling"], 1);
  settings.set_bandwidth_limit_bytes_per_second(std::int64_t{1} << 50);
  EXPECT_EQ(ReplicationJson(settings, kReplicationConfiguration)["bandwidthThrottling"], 10000);
}

TEST_F(SettingsJsonTest, DisksOfAServer) {
  SourceProperties properties;
  for (const char* device : {"/dev/sda", "/dev/sdb", "/dev/sdc"}) {
    auto* disk = properties.add_disks();
    disk->set_device_name(device);
    disk->set_replicated(disk->device_name() != "/dev/sdc");
    disk->set_is_boot_disk(properties.disks_size() == 1);
  }
  ReplicationSettings settings;
  const json one = {{"deviceName", "/dev/sdb"}, {"stagingDiskType", "GP3"}, {"isBootDisk", true}};
  ASSERT_OK(ReadDisks({{"replicatedDisks", {one}}}, properties, &settings));
  ASSERT_OK(ReadDisks({{"name", "x"}}, properties, &settings));
  EXPECT_EQ(DisksJson(properties, settings),
            json::parse(R"([{"deviceName": "/dev/sda", "isBootDisk": true},
      {"deviceName": "/dev/sdb", "isBootDisk": false, "stagingDiskType": "GP3"}])"));
  const absl::Status refused =
      ReadDisks({{"replicatedDisks", {one, {{"deviceName", "/dev/sdc"}}}}}, properties, &settings);
  EXPECT_EQ(FieldOf(refused), "replicatedDisks[1].deviceName");
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument, "/dev/sda, /dev/sdb"));
}

TEST_F(SettingsJsonTest, LaunchSettings) {
  const json told = {{"launchDisposition", "STOPPED"},
                     {"targetInstanceTypeRightSizingMethod", "NONE"},
                     {"copyPrivateIp", true},
                     {"copyTags", true},
                     {"licensing", {{"osByol", false}}},
                     {"bootMode", "LEGACY_BIOS"},
                     {"enableMapAutoTagging", true},
                     {"smallVolumeMaxSize", 7}};
  LaunchSettings settings;
  settings.set_cpu_count(4);
  ASSERT_OK(ReadLaunch(told, documents_, &settings));
  EXPECT_EQ(settings.disposition(), LaunchSettings::STOPPED);
  EXPECT_EQ(settings.right_sizing(), LaunchSettings::NONE);
  EXPECT_EQ(settings.licensing(), LaunchSettings::PROVIDED);
  EXPECT_EQ(settings.boot_mode(), LaunchSettings::LEGACY_BIOS);
  EXPECT_TRUE(settings.copy_private_ip() && settings.copy_tags());
  EXPECT_EQ(settings.cpu_count(), 4);
  json shown = LaunchJson(settings, kLaunchConfigurationTemplate);
  shown.erase("postLaunchActions");
  EXPECT_EQ(shown, told);
  EXPECT_FALSE(LaunchJson(settings, kLaunchConfiguration).contains("smallVolumeMaxSize"));
  // What is not there stays.
  ASSERT_OK(ReadLaunch({{"copyTags", false}}, documents_, &settings));
  EXPECT_EQ(settings.disposition(), LaunchSettings::STOPPED);
  EXPECT_FALSE(settings.copy_tags());

  LaunchSettings fresh;
  fresh.set_right_sizing(LaunchSettings::IN_USE);
  const json defaults = LaunchJson(fresh, kLaunchConfiguration);
  EXPECT_EQ(defaults["targetInstanceTypeRightSizingMethod"], "BASIC");
  EXPECT_EQ(defaults["bootMode"], "USE_SOURCE");
  EXPECT_EQ(defaults["licensing"]["osByol"], true);
  EXPECT_EQ(defaults["postLaunchActions"]["deployment"], "TEST_AND_CUTOVER");
  ExpectFits(kLaunchConfiguration, defaults);
}

TEST_F(SettingsJsonTest, ActionsInTheirOrder) {
  LaunchSettings settings;
  json full = Put("b", 1002);
  full.update({{"active", false},
               {"timeoutSeconds", 5},
               {"mustSucceedForCutover", true},
               {"operatingSystem", "linux"},
               {"documentVersion", "1"},
               {"category", "SECURITY"},
               {"parameters",
                {{"key", {{{"parameterType", "SECURE_STRING"}, {"parameterName", "a.b"}}}},
                 {"none", json::array()}}}});
  ASSERT_OK(PutAction(full, documents_, &settings));
  const PostLaunchAction& action = settings.post_launch_actions(0);
  EXPECT_EQ(action.command(), "uptime\n");
  EXPECT_EQ(action.timeout().seconds(), 5);
  EXPECT_TRUE(action.must_succeed_for_cutover());
  EXPECT_FALSE(action.active());
  EXPECT_EQ(action.parameters().at("key"), "a.b");
  EXPECT_EQ(action.parameters().at("none"), "");
  EXPECT_EQ(ActionJson(action, kTemplateActionDocument), full);
  EXPECT_FALSE(ActionJson(action, kSourceServerActionDocument).contains("operatingSystem"));

  // In its place, but by the transport that somebody chose.
  settings.mutable_post_launch_actions(0)->set_transport(PostLaunchAction::SSH);
  ASSERT_OK(PutAction(Put("b", 1002), documents_, &settings));
  ASSERT_EQ(settings.post_launch_actions_size(), 1);
  EXPECT_EQ(settings.post_launch_actions(0).transport(), PostLaunchAction::SSH);
  EXPECT_TRUE(settings.post_launch_actions(0).active());
  EXPECT_FALSE(settings.post_launch_actions(0).has_timeout());
  EXPECT_THAT(PutAction(Put("a", 1002), documents_, &settings),
              StatusIs(absl::StatusCode::kFailedPrecondition, "\"b\""));
  EXPECT_THAT(RemoveAction("a", &settings), StatusIs(absl::StatusCode::kNotFound, "\"a\""));
  EXPECT_OK(RemoveAction("b", &settings));
  EXPECT_EQ(settings.post_launch_actions_size(), 0);
}

TEST_F(SettingsJsonTest, ActionsThatCannotRunHere) {
  LaunchSettings settings;
  const auto refused = [&](const json& change) {
    json input = Put("a", 1001);
    input.update(change);
    return FieldOf(PutAction(input, documents_, &settings));
  };
  EXPECT_EQ(refused({{"actionID", "é1"}}), "actionID");
  EXPECT_EQ(refused({{"timeoutSeconds", 86401}}), "timeoutSeconds");
  EXPECT_EQ(refused({{"documentIdentifier", "none"}}), "documentIdentifier");
  const auto parameters = [&](const std::string& name, const std::string& value, int count) {
    const json one = {{"parameterType", "STRING"}, {"parameterName", value}};
    return refused({{"parameters", {{name, json(static_cast<std::size_t>(count), one)}}}});
  };
  EXPECT_EQ(parameters("9a", "v", 1), "parameters");
  EXPECT_EQ(parameters(std::string(65, 'a'), "v", 1), "parameters");
  EXPECT_EQ(parameters("a", std::string(600, 'v'), 2), "parameters.a");
  EXPECT_EQ(settings.post_launch_actions_size(), 0);
  EXPECT_EQ(parameters("a", std::string(500, 'v'), 2), "");
}

// An action that MGN knows nothing of: set by gRPC.
TEST_F(SettingsJsonTest, ActionsOfOthersFitTheTable) {
  PostLaunchAction action;
  action.set_action_id("Ünlaut ");
  action.set_order(1001);
  action.set_command("true");
  (*action.mutable_parameters())["A_B"] = "v";
  (*action.mutable_parameters())["A"] = "no name; at all";
  (*action.mutable_notes())["category"] = "\"NOTHING\"";
  (*action.mutable_notes())["description"] = "no JSON";
  const json shown = ActionJson(action, kSourceServerActionDocument);
  ExpectFits(kSourceServerActionDocument, shown);
  EXPECT_EQ(shown["order"], 1001);
  EXPECT_FALSE(shown.contains("category") || shown.contains("description")) << shown;
}

TEST_F(SettingsJsonTest, DocumentsOfPostLaunchActions) {
  LaunchSettings settings;
  auto* other = settings.add_post_launch_actions();
  other->set_action_id("document-1");
  other->set_order(2);
  other->set_command("true");
  ASSERT_OK(PutAction(Put("late", 1001), documents_, &settings));
  const auto document = [](const std::string& name) {
    return json{{"actionName", name},
                {"ssmDocumentName", "single"},
                {"timeoutSeconds", 9},
                {"mustSucceedForCutover", false},
                {"parameters", json::object()}};
  };
  const json told = {{"deployment", "TEST_ONLY"},
                     {"s3LogBucket", "logs"},
                     {"ssmDocuments", {document("x"), document("y")}}};
  ASSERT_OK(ReadPostLaunchActions({{"postLaunchActions", told}}, documents_, &settings));
  EXPECT_EQ(PostLaunchActionsJson(settings), told);
  ASSERT_EQ(settings.post_launch_actions_size(), 4);
  std::set<int> orders;
  for (const PostLaunchAction& action : settings.post_launch_actions()) {
    EXPECT_EQ(action.deployment(), PostLaunchAction::TEST_ONLY) << action.action_id();
    orders.insert(action.order());
  }
  EXPECT_EQ(orders, (std::set<int>{1, 2, 3, 1001}));
  // Replaced as a whole; later actions get the deployment as well.
  ASSERT_OK(ReadPostLaunchActions({{"postLaunchActions", {{"ssmDocuments", {document("z")}}}}},
                                  documents_, &settings));
  EXPECT_EQ(settings.post_launch_actions_size(), 3);
  EXPECT_EQ(PostLaunchActionsJson(settings)["s3LogBucket"], "logs");
  ASSERT_OK(PutAction(Put("later", 1002), documents_, &settings));
  EXPECT_EQ(FindAction("later", settings)->deployment(), PostLaunchAction::TEST_ONLY);
  json wrong = document("w");
  wrong["ssmDocumentName"] = "none";
  EXPECT_EQ(FieldOf(ReadPostLaunchActions(
                {{"postLaunchActions", {{"ssmDocuments", {document("v"), wrong}}}}}, documents_,
                &settings)),
            "postLaunchActions.ssmDocuments[1].ssmDocumentName");
}

// Ids of templates stay what they are for ever: scripts keep them.
TEST_F(SettingsJsonTest, TemplateIds) {
  const std::string made = "rct-0123456789abcdef0";
  EXPECT_EQ(TemplateId(Half::kReplication, "settingsTemplates/" + made), made);
  EXPECT_TRUE(HasHalf(Half::kReplication, "settingsTemplates/" + made));
  EXPECT_FALSE(HasHalf(Half::kLaunch, "settingsTemplates/" + made));
  EXPECT_TRUE(HasHalf(Half::kReplication, "settingsTemplates/default"));
  EXPECT_TRUE(HasHalf(Half::kLaunch, "settingsTemplates/default"));
  EXPECT_EQ(TemplateId(Half::kReplication, "settingsTemplates/default"), "rct-eb132a3ec93292525");
  EXPECT_EQ(TemplateId(Half::kLaunch, "settingsTemplates/default"), "lct-63a14cac37a684ff0");
}

TEST_F(SettingsJsonTest, TemplatesHaveTagsOfTheirOwn) {
  SettingsTemplate one;
  one.set_name("settingsTemplates/default");
  (*one.mutable_tags())["of"] = "servers";
  ASSERT_OK(ReadTemplateTags(Half::kReplication, {{"a", "b"}}, &one));
  ASSERT_OK(ReadTemplateTags(Half::kLaunch, {{"c", "d"}}, &one));
  EXPECT_EQ(FieldOf(ReadTemplateTags(Half::kLaunch, {{"", "d"}}, &one)), "tags");
  const Place place = {.region = "eu-central-1", .account = "123456789012"};
  const json replication = TemplateJson(Half::kReplication, one, place);
  EXPECT_EQ(replication["tags"], json::object({{"a", "b"}}));
  EXPECT_EQ(replication["arn"],
            "arn:aws:mgn:eu-central-1:123456789012:replication-configuration-template/" +
                TemplateId(Half::kReplication, one.name()));
  ExpectFits(kReplicationConfigurationTemplate, replication);
  const json launch = TemplateJson(Half::kLaunch, one, place);
  EXPECT_EQ(launch["tags"], json::object({{"c", "d"}}));
  ExpectFits(kLaunchConfigurationTemplate, launch);
}

}  // namespace
}  // namespace godwit::gateway::mgn

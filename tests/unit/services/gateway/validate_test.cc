#include "services/gateway/mgn/validate.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "absl/strings/str_cat.h"
#include "services/gateway/mgn/model/tables.h"
#include "services/gateway/mgn/patterns.h"

namespace godwit::gateway::mgn {
namespace {

using nlohmann::json;

const Operation& Find(absl::string_view name) {
  for (const Operation* operation : AllOperations()) {
    if (operation->name == name) return *operation;
  }
  ADD_FAILURE() << name;
  return *AllOperations()[0];
}

// Names of the fields that are refused; "" for a body that cannot be read at all.
std::vector<std::string> Refused(absl::string_view name, const std::string& body) {
  const auto result = Validate(Find(name), {.body = body});
  if (std::holds_alternative<json>(result)) return {};
  const ApiError& error = std::get<ApiError>(result);
  EXPECT_EQ(error.status, 400);
  EXPECT_EQ(error.code, "ValidationException");
  const json sent = json::parse(error.Body());
  EXPECT_EQ(sent["code"], "ValidationException");
  if (sent["reason"] == "cannotParse") return {""};
  EXPECT_EQ(sent["reason"], "fieldValidationFailed");
  std::vector<std::string> names;
  for (const json& field : sent["fieldList"]) {
    EXPECT_FALSE(field["message"].get<std::string>().empty());
    names.push_back(field["name"]);
  }
  return names;
}

using Names = std::vector<std::string>;
constexpr char kServer[] = "s-0123456789abcdef0";

TEST(Validate, GivesKnownMembersAlone) {
  const auto result = Validate(
      Find("DescribeSourceServers"),
      {.body = R"({"filters": {"isArchived": true, "news": 1}, "more": {}, "nextToken": null})"});
  ASSERT_TRUE(std::holds_alternative<json>(result));
  EXPECT_EQ(std::get<json>(result), json::parse(R"({"filters": {"isArchived": true}})"));
  EXPECT_TRUE(std::holds_alternative<json>(Validate(Find("InitializeService"), {.body = ""})));
}

TEST(Validate, NamesEveryFieldThatIsWrong) {
  EXPECT_EQ(Refused("StartTest", "{}"), Names{"sourceServerIDs"});
  EXPECT_EQ(Refused("StartTest", R"({"sourceServerIDs": []})"), Names{"sourceServerIDs"});
  EXPECT_EQ(Refused("StartTest", R"({"sourceServerIDs": "s-1"})"), Names{"sourceServerIDs"});
  EXPECT_EQ(Refused("StartTest", R"({"sourceServerIDs": ["s-1", 7, "s-0123456789abcdef!"]})"),
            (Names{"sourceServerIDs[0]", "sourceServerIDs[1]", "sourceServerIDs[2]"}));
  EXPECT_EQ(Refused("DescribeSourceServers",
                    R"({"maxResults": 0, "filters": {"isArchived": "yes", "lifeCycleStates":
                        ["READY_FOR_TEST", "READY"], "replicationTypes": [1, 2, 3]}})"),
            (Names{"filters.isArchived", "filters.replicationTypes", "filters.replicationTypes[0]",
                   "filters.replicationTypes[1]", "filters.replicationTypes[2]",
                   "filters.lifeCycleStates[1]", "maxResults"}));
  EXPECT_EQ(Refused("ChangeServerLifeCycleState",
                    absl::StrCat(R"({"sourceServerID": ")", kServer, R"(", "lifeCycle": {}})")),
            Names{"lifeCycle.state"});
  EXPECT_EQ(Refused("DescribeJobs", R"({"filters": {"fromDate": "2026-13-01T00:00:00Z"}})"),
            Names{"filters.fromDate"});
}

TEST(Validate, ChecksBounds) {
  std::string ids = R"({"sourceServerIDs": [")" + std::string(kServer) + "\"";
  for (int i = 0; i < 200; ++i) absl::StrAppend(&ids, ",\"", kServer, "\"");
  EXPECT_EQ(Refused("StartTest", ids + "]}"), Names{"sourceServerIDs"});
  EXPECT_EQ(Refused("DescribeJobs", R"({"maxResults": 1000})"), Names{});
  EXPECT_EQ(Refused("DescribeJobs", R"({"maxResults": 1001})"), Names{"maxResults"});
  EXPECT_EQ(Refused("DescribeJobs", R"({"maxResults": 1.5})"), Names{"maxResults"});
  EXPECT_EQ(Refused("DescribeJobs", R"({"maxResults": 9223372036854775808})"), Names{"maxResults"});
  EXPECT_EQ(Refused("DescribeJobs", R"({"maxResults": -9223372036854775808})"),
            Names{"maxResults"});
  // Characters count, not bytes.
  const auto named = [](const std::string& name) {
    return Refused("CreateApplication", json({{"name", name}}).dump());
  };
  std::string accents;
  for (int i = 0; i < 256; ++i) accents += "é";
  EXPECT_EQ(named(accents), Names{});
  EXPECT_EQ(named(accents + "e"), Names{"name"});
  EXPECT_EQ(named("two words"), Names{});
  EXPECT_EQ(named(" blank"), Names{"name"});
  EXPECT_EQ(named("blank "), Names{"name"});
}

TEST(Validate, MapsAndNul) {
  json tags;
  for (int i = 0; i < 51; ++i) tags[absl::StrCat("k", i)] = "v";
  const auto tagged = [](const json& tags) {
    return Refused("CreateWave", json({{"name", "w"}, {"tags", tags}}).dump());
  };
  EXPECT_EQ(tagged(tags), Names{"tags"});
  tags.erase("k0");
  EXPECT_EQ(tagged(tags), Names{});
  EXPECT_EQ(tagged({{"a", 1}}), Names{"tags[\"a\"]"});
  EXPECT_EQ(tagged({{"a", std::string("x\0y", 3)}}), Names{"tags[\"a\"]"});
  EXPECT_EQ(tagged(json::array()), Names{"tags"});
}

TEST(Validate, RefusesWhatCannotBeRead) {
  for (const char* body :
       {"{", "[]", "7", "\"x\"", R"({"a": 1, "a": 2})", R"({"a": "\ud800"})", R"({"a": NaN})"}) {
    EXPECT_EQ(Refused("DescribeJobs", body), Names{""}) << body;
  }
  EXPECT_EQ(Refused("DescribeJobs", std::string(1 << 20, '[')), Names{""});
}

TEST(Validate, TellsAtMostThirtyTwoFields) {
  json ids = json::array();
  for (int i = 0; i < 200; ++i) ids.push_back(i);
  EXPECT_EQ(Refused("StartTest", json({{"sourceServerIDs", ids}}).dump()).size(), 32u);
}

TEST(Validate, TakesParametersOfPathAndQuery) {
  const Operation& untag = Find("UntagResource");
  const std::string arn = "arn:aws:mgn:us-east-1:000000000000:source-server/s-1";
  RawInput input{.uri = {{"resourceArn", arn}}, .query = {{"tagKeys", "b"}, {"tagKeys", "a c"}}};
  auto result = Validate(untag, input);
  ASSERT_TRUE(std::holds_alternative<json>(result));
  EXPECT_EQ(std::get<json>(result), (json{{"resourceArn", arn}, {"tagKeys", {"b", "a c"}}}));
  // The body is not their place.
  input.query.clear();
  input.body = R"({"tagKeys": ["x"]})";
  EXPECT_TRUE(std::holds_alternative<ApiError>(Validate(untag, input)));
  const Operation& list = Find("DescribeVcenterClients");
  result = Validate(list, {.query = {{"maxResults", "10"}, {"other", "x"}}});
  ASSERT_TRUE(std::holds_alternative<json>(result));
  EXPECT_EQ(std::get<json>(result), (json{{"maxResults", 10}}));
  for (const char* wrong : {"0", "1001", "ten", "", "1e2", "99999999999999999999"}) {
    EXPECT_TRUE(
        std::holds_alternative<ApiError>(Validate(list, {.query = {{"maxResults", wrong}}})))
        << wrong;
  }
  EXPECT_TRUE(std::holds_alternative<ApiError>(
      Validate(list, {.query = {{"maxResults", "1"}, {"maxResults", "2"}}})));
}

// No table has a pattern that RE2 does not know.
TEST(Validate, AllPatternsCompile) {
  std::set<const Shape*> seen;
  int patterns = 0;
  const std::function<void(const Shape&)> visit = [&](const Shape& shape) {
    if (!seen.insert(&shape).second) return;
    if (shape.pattern != nullptr) {
      ++patterns;
      FullMatch(shape.pattern, "x");
    }
    if (shape.element != nullptr) visit(*shape.element);
    if (shape.key != nullptr) visit(*shape.key);
    for (const Member& member : shape.Members()) visit(*member.shape);
  };
  for (const Operation* operation : AllOperations()) {
    for (const Member& member : operation->input) visit(*member.shape);
    if (operation->output != nullptr) visit(*operation->output);
  }
  EXPECT_GT(patterns, 20);
}

}  // namespace
}  // namespace godwit::gateway::mgn

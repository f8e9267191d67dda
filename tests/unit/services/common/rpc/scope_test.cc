// What limited users may call: the table against the contract, and the decision for one call.
#include "services/common/rpc/scope.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "godwit/jobs/v1/job_service.pb.h"
#include "godwit/registry/v1/source_server_service.pb.h"
#include "godwit/replication/v1/replication_service.pb.h"
#include "services/common/rpc/access.h"
#include "services/common/rpc/serve.h"
#include "tests/support/status_matchers.h"

namespace godwit::rpc {
namespace {

using ::godwit::testing::StatusIs;
using google::protobuf::FieldDescriptor;
namespace jobs = ::godwit::jobs::v1;
namespace registry = ::godwit::registry::v1;
namespace replication = ::godwit::replication::v1;

constexpr char kAlice[] = "user/operator/alice";

class FakeSource final : public ScopeSource {
 public:
  absl::StatusOr<std::shared_ptr<const Scope>> Find(const std::string& principal,
                                                    const std::vector<std::string>&) override {
    ++asked;
    if (!status.ok()) return status;
    if (principal != kAlice) return nullptr;
    auto scope = std::make_shared<Scope>();
    scope->principal = principal;
    scope->names = {"applications/app-1", "sourceServers/s-1", "sourceServers/s-2", "waves/wave-1"};
    return scope;
  }
  absl::StatusOr<std::vector<std::string>> Expand(const std::string& name) override {
    ++expanded;
    if (name == "jobs/away") return absl::UnavailableError("no answer");
    const auto found = own.find(name);
    if (found == own.end()) return absl::NotFoundError(name);
    return found->second;
  }

  int asked = 0, expanded = 0;
  absl::Status status;
  std::map<std::string, std::vector<std::string>> own;
};

absl::StatusOr<std::shared_ptr<const Scope>> Check(const std::string& method,
                                                   const google::protobuf::Message* request,
                                                   ScopeSource* source,
                                                   const std::string& who = kAlice) {
  return CheckScope(*FindRule(method), request, source, *ParsePrincipal(who));
}

constexpr char kGet[] = "godwit.registry.v1.SourceServerService/GetSourceServer";
constexpr char kStart[] = "godwit.registry.v1.SourceServerService/StartTest";
constexpr char kList[] = "godwit.registry.v1.SourceServerService/ListSourceServers";
constexpr char kCreate[] = "godwit.registry.v1.SourceServerService/CreateSourceServer";
constexpr char kPoint[] = "godwit.replication.v1.ReplicationService/GetPoint";
constexpr char kJob[] = "godwit.jobs.v1.JobService/GetJob";

registry::GetSourceServerRequest Get(const std::string& name) {
  registry::GetSourceServerRequest request;
  request.set_name(name);
  return request;
}

// Whether a path leads to text in messages of this type.
bool LeadsToText(const google::protobuf::Descriptor* type, absl::string_view path) {
  const std::vector<std::string> parts = absl::StrSplit(path, '.');
  for (std::size_t i = 0; type != nullptr && i < parts.size(); ++i) {
    const FieldDescriptor* const field = type->FindFieldByName(parts[i]);
    if (field == nullptr) return false;
    if (i + 1 == parts.size()) return field->type() == FieldDescriptor::TYPE_STRING;
    if (field->is_repeated()) return false;
    type = field->message_type();
  }
  return false;
}

TEST(ScopeTableTest, NamesFieldsThatAreThere) {
  int named = 0;
  for (const MethodRule& rule : AccessTable()) {
    std::string method = rule.method;
    std::replace(method.begin(), method.end(), '/', '.');
    const auto* const found =
        google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(method);
    ASSERT_NE(found, nullptr) << method;
    const absl::string_view names = rule.names;
    for (const absl::string_view path : absl::StrSplit(names, ',', absl::SkipEmpty())) {
      EXPECT_TRUE(LeadsToText(found->input_type(), path)) << method << " " << path;
      ++named;
    }
    EXPECT_EQ(rule.scoped == Scoped::kNamed && names.empty(), false) << method;
    if (rule.scoped == Scoped::kNever || rule.scoped == Scoped::kAny) {
      EXPECT_EQ(names, "") << method;
    }
    // What neither viewers nor operators may call is for nobody with a scope.
    if ((rule.access & (kViewers | kOperators)) == 0) {
      EXPECT_EQ(rule.scoped, Scoped::kNever) << method;
    }
    // A change names what it changes.
    if (rule.audit == Audit::kChanges) {
      EXPECT_TRUE(rule.scoped == Scoped::kNever || rule.scoped == Scoped::kNamed) << method;
    }
    EXPECT_FALSE(found->client_streaming() && rule.scoped != Scoped::kNever) << method;
  }
  EXPECT_GE(named, 50);
}

// Each name in a request that could be of a server or group is looked at: fields with these words
// that a rule leaves out are listed here, with the reason why they tell nothing.
TEST(ScopeTableTest, LeavesNoNameOut) {
  const std::set<std::string> kHarmless = {
      // filters of lists, whose answers are limited anyway
      "godwit.registry.v1.SourceServerService/ListSourceServers application",
      "godwit.registry.v1.FleetService/ListApplications names",
      "godwit.registry.v1.FleetService/ListApplications waves",
      "godwit.registry.v1.FleetService/ListWaves names",
      "godwit.registry.v1.FleetService/ListWaves waves",
      "godwit.jobs.v1.JobService/ListJobs source_server",
      "godwit.jobs.v1.WaveRunService/ListWaveRuns wave",
      // templates are no servers
      "godwit.registry.v1.SettingsTemplateService/GetSettingsTemplate name",
  };
  std::set<std::string> left_out;
  for (const MethodRule& rule : AccessTable()) {
    if (rule.scoped == Scoped::kNever) continue;
    std::string method = rule.method;
    std::replace(method.begin(), method.end(), '/', '.');
    const auto* const type =
        google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(method)->input_type();
    const std::vector<std::string> looked_at = absl::StrSplit(rule.names, ',');
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor& field = *type->field(i);
      const std::string& name = field.name();
      const bool names_something =
          name == "name" || name == "names" || name == "parent" || name == "point" ||
          name == "members" || name == "wave" || name == "waves" || name == "application" ||
          name == "applications" || name == "source_server" || name == "source_servers" ||
          name == "failed_of" || name == "machine_id" || name == "job";
      if (field.type() != FieldDescriptor::TYPE_STRING || !names_something) continue;
      if (std::find(looked_at.begin(), looked_at.end(), name) != looked_at.end()) continue;
      left_out.insert(absl::StrCat(rule.method, " ", name));
    }
  }
  EXPECT_EQ(left_out, kHarmless);
}

TEST(CheckScopeTest, AsksOnlyAboutThoseWhoCanBeLimited) {
  FakeSource source;
  source.status = absl::UnavailableError("away");
  const auto request = Get("sourceServers/s-9");
  for (const char* who : {"user/admin/a", "service/jobs", "agent/s-1", "worker/w-1"}) {
    ASSERT_OK_AND_ASSIGN(const auto scope, Check(kGet, &request, &source, who));
    EXPECT_EQ(scope, nullptr) << who;
  }
  EXPECT_EQ(source.asked, 0);
  // Nor for what tells nothing of servers.
  EXPECT_OK(Check("godwit.conversion.v1.ConversionService/ListProfiles", nullptr, nullptr));
}

TEST(CheckScopeTest, WhoHasNoScopeIsNotLimited) {
  FakeSource source;
  const auto request = Get("sourceServers/s-9");
  ASSERT_OK_AND_ASSIGN(const auto scope, Check(kGet, &request, &source, "user/operator/bob"));
  EXPECT_EQ(scope, nullptr);
  // Not even what a request names of the service's own is looked up then.
  jobs::GetJobRequest job;
  job.set_name("jobs/away");
  EXPECT_OK(Check(kJob, &job, &source, "user/viewer/bob"));
  EXPECT_EQ(source.expanded, 0);
}

TEST(CheckScopeTest, RefusesWhileNobodyKnows) {
  const auto request = Get("sourceServers/s-1");
  EXPECT_THAT(Check(kGet, &request, nullptr),
              StatusIs(absl::StatusCode::kUnavailable, "does not follow the registry"));
  FakeSource source;
  source.status = absl::UnavailableError("away");
  const auto status = Check(kGet, &request, &source).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, "away; try again"));
  EXPECT_EQ(GetInfo(status).reason, "SCOPE_NOT_KNOWN");
  EXPECT_THAT(Check(kCreate, nullptr, &source), StatusIs(absl::StatusCode::kUnavailable, "away"));
}

TEST(CheckScopeTest, WhatReachesBeyondAnyScopeIsRefused) {
  FakeSource source;
  registry::CreateSourceServerRequest request;
  const auto status = Check(kCreate, &request, &source).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kPermissionDenied, "ask an admin"));
  EXPECT_EQ(GetInfo(status).reason, "SCOPED");
}

TEST(CheckScopeTest, WhatIsNotWithinDoesNotExist) {
  FakeSource source;
  const auto within = Get("sourceServers/s-1");
  ASSERT_OK_AND_ASSIGN(const auto scope, Check(kGet, &within, &source));
  ASSERT_NE(scope, nullptr);
  EXPECT_EQ(scope->principal, kAlice);
  for (const char* name :
       {"sourceServers/s-9", "sourceServers/", "sourceServers", "sourceServers/s-1,s-2", "s-1",
        "applications/s-1", "/sourceServers/s-1", "sourceServers//s-1", " sourceServers/s-1",
        "sourceServers/s-1\n", "sourceServers/S-1", "sourceServers/s-1}"}) {
    const auto request = Get(name);
    const auto status = Check(kGet, &request, &source).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, "there is no ")) << name;
  }
  const auto nothing = Get("");
  EXPECT_THAT(Check(kGet, &nothing, &source),
              StatusIs(absl::StatusCode::kInvalidArgument, "name: is required"));
  EXPECT_FALSE(Check(kGet, nullptr, &source).ok());
}

TEST(CheckScopeTest, OfManyNamesAllMustBeWithin) {
  FakeSource source;
  registry::StartLaunchRequest request;
  request.add_names("sourceServers/s-1");
  request.add_names("sourceServers/s-2");
  EXPECT_OK(Check(kStart, &request, &source));
  request.set_point("sourceServers/s-9/points/p-1");
  EXPECT_THAT(Check(kStart, &request, &source),
              StatusIs(absl::StatusCode::kNotFound, "sourceServers/s-9/points/p-1"));
  request.clear_point();
  request.add_names("sourceServers/s-9");
  EXPECT_THAT(Check(kStart, &request, &source),
              StatusIs(absl::StatusCode::kNotFound, "sourceServers/s-9"));
  // What belongs to a server is as far as the server is.
  replication::GetPointRequestByName point;
  point.set_name("sourceServers/s-2/points/p-1");
  EXPECT_OK(Check(kPoint, &point, &source));
}

TEST(CheckScopeTest, AJobIsWithinWhenAllOfItsServersAre) {
  FakeSource source;
  source.own = {{"jobs/ours", {"sourceServers/s-1", "sourceServers/s-2"}},
                {"jobs/half", {"sourceServers/s-1", "sourceServers/s-9"}},
                {"jobs/empty", {}}};
  jobs::GetJobRequest request;
  request.set_name("jobs/ours");
  EXPECT_OK(Check(kJob, &request, &source));
  for (const char* name : {"jobs/half", "jobs/empty", "jobs/none"}) {
    request.set_name(name);
    EXPECT_THAT(Check(kJob, &request, &source),
                StatusIs(absl::StatusCode::kNotFound, absl::StrCat("there is no ", name)));
  }
  request.set_name("jobs/away");
  EXPECT_THAT(Check(kJob, &request, &source),
              StatusIs(absl::StatusCode::kUnavailable, "no answer"));
}

TEST(CheckScopeTest, ListsTellTheHandlerWhatIsWithin) {
  FakeSource source;
  const registry::ListSourceServersRequest request;
  ASSERT_OK_AND_ASSIGN(const auto scope, Check(kList, &request, &source));
  ASSERT_NE(scope, nullptr);
  EXPECT_THAT(scope->Ids("sourceServers"), ::testing::ElementsAre("s-1", "s-2"));
  EXPECT_THAT(scope->Ids("applications"), ::testing::ElementsAre("app-1"));
  EXPECT_THAT(scope->Ids("jobs"), ::testing::IsEmpty());
}

}  // namespace
}  // namespace godwit::rpc

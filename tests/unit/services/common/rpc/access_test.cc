// The access table against the contract: every method of every service has exactly one line.
#include "services/common/rpc/access.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "godwit/conversion/v1/conversion_service.pb.h"
#include "godwit/jobs/v1/job_service.pb.h"
#include "godwit/registry/v1/source_server_service.pb.h"
#include "godwit/replication/v1/replication_service.pb.h"
#include "tests/support/status_matchers.h"

namespace godwit::rpc {
namespace {

using ::godwit::testing::StatusIs;

// All methods of all services in the proto files of this program: those whose messages are linked
// in, and all files of the same libraries.
std::set<std::string> MethodsOfContract() {
  std::set<std::string> methods;
  for (const std::string& file : {GODWIT_PROTO_FILES}) {
    const google::protobuf::FileDescriptor* const found =
        google::protobuf::DescriptorPool::generated_pool()->FindFileByName(file);
    EXPECT_NE(found, nullptr) << file << " is not linked in";
    for (int s = 0; found != nullptr && s < found->service_count(); ++s) {
      for (int m = 0; m < found->service(s)->method_count(); ++m) {
        methods.insert(absl::StrCat(found->service(s)->full_name(), "/",
                                    found->service(s)->method(m)->name()));
      }
    }
  }
  return methods;
}

TEST(AccessTableTest, HasOneLineForEachMethodOfTheContract) {
  const std::set<std::string> methods = MethodsOfContract();
  EXPECT_GE(methods.size(), 100u);
  std::set<std::string> ruled;
  for (const MethodRule& rule : AccessTable()) {
    EXPECT_TRUE(ruled.insert(rule.method).second) << rule.method << " is there twice";
    EXPECT_TRUE(methods.contains(rule.method)) << rule.method << " is no method";
    EXPECT_NE(rule.access, 0u) << rule.method;
    EXPECT_EQ(FindRule(rule.method), &rule);
  }
  for (const std::string& method : methods) {
    EXPECT_TRUE(ruled.contains(method)) << method << " has no rule";
  }
}

TEST(AccessTableTest, KeepsItsPrinciples) {
  for (const MethodRule& rule : AccessTable()) {
    const absl::string_view method = rule.method;
    // Viewers change nothing; who may read may also when he is more.
    if ((rule.access & kViewers) != 0) {
      EXPECT_EQ(rule.audit, Audit::kNone) << method;
      EXPECT_EQ(rule.access & kUsers, kUsers) << method;
    }
    if ((rule.access & kOperators) != 0) EXPECT_NE(rule.access & kAdmins, 0u) << method;
    // What users change leaves a trace. Of reads that are not for viewers one is no list: by name.
    if ((rule.access & kUsers) != 0 && (rule.access & kViewers) == 0 &&
        !absl::StrContains(method, "/List") && !absl::StrContains(method, "/Export") &&
        method != "godwit.registry.v1.WebhookService/GetWebhook") {
      EXPECT_EQ(rule.audit, Audit::kChanges) << method;
    }
    // Machines that are not ours have calls of their own, and nobody else has those.
    if ((rule.access & (kAgents | kWorkers | kConversionWorkers)) != 0) {
      EXPECT_EQ(rule.access & (rule.access - 1), 0u) << method;
    }
    EXPECT_EQ((rule.access & kAnybody) != 0, absl::EndsWith(method, "/Enroll")) << method;
  }
}

TEST(AccessTableTest, UnknownMethodsAreForNobody) {
  EXPECT_EQ(FindRule("godwit.jobs.v1.JobService/NoSuch"), nullptr);
  EXPECT_EQ(FindRule(""), nullptr);
  EXPECT_OK(CheckServices({"godwit.jobs.v1.JobService", "grpc.health.v1.Health"}));
  EXPECT_THAT(CheckServices({"elsewhere.Service"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "elsewhere.Service"));
}

}  // namespace
}  // namespace godwit::rpc

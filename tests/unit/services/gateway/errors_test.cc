#include "services/gateway/mgn/errors.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "services/common/base/quota.h"
#include "services/common/rpc/quotas.h"
#include "services/common/rpc/serve.h"
#include "services/gateway/mgn/model/tables.h"
#include "services/gateway/mgn/rpc/operation.h"

namespace godwit::gateway::mgn {
namespace {

using nlohmann::json;

ApiError Mapped(const char* name, const absl::Status& status) {
  for (const Operation* operation : AllOperations()) {
    if (operation->name == name) return FromStatus(status, *operation);
  }
  ADD_FAILURE() << name;
  return {};
}
using Answer = std::pair<int, std::string>;
Answer Of(const char* name, const absl::Status& status) {
  const ApiError error = Mapped(name, status);
  return {error.status, error.code};
}

TEST(Errors, EachCodeHasItsAnswer) {
  EXPECT_EQ(Of("FinalizeCutover", absl::NotFoundError("x")),
            Answer(404, "ResourceNotFoundException"));
  EXPECT_EQ(Of("StartTest", absl::NotFoundError("x")), Answer(400, "ValidationException"));
  EXPECT_EQ(Of("StartTest", absl::FailedPreconditionError("x")), Answer(409, "ConflictException"));
  EXPECT_EQ(Of("StartTest", absl::AlreadyExistsError("x")), Answer(409, "ConflictException"));
  EXPECT_EQ(Of("RetryDataReplication", absl::FailedPreconditionError("x")),
            Answer(400, "ValidationException"));
  EXPECT_EQ(Of("StartTest", absl::InvalidArgumentError("x")), Answer(400, "ValidationException"));
  EXPECT_EQ(Of("StartTest", absl::PermissionDeniedError("x")),
            Answer(403, "AccessDeniedException"));
  EXPECT_EQ(Of("StartTest", absl::UnavailableError("x")),
            Answer(503, "ServiceUnavailableException"));
  EXPECT_EQ(Of("StartTest", absl::DeadlineExceededError("x")),
            Answer(503, "ServiceUnavailableException"));
  for (const auto& status : {absl::UnavailableError("x"), absl::AbortedError("x"),
                             absl::CancelledError("x"), absl::DeadlineExceededError("x")}) {
    for (const char* operation : {"StartTest", "DescribeSourceServers", "RetryDataReplication"}) {
      EXPECT_EQ(Of(operation, status), Answer(503, "ServiceUnavailableException")) << status;
      EXPECT_EQ(Mapped(operation, status).retry_after, absl::Seconds(1)) << status;
    }
  }
  EXPECT_EQ(Of("StartTest", absl::UnimplementedError("x")), Answer(501, "NotImplementedException"));
  for (const auto& status : {absl::InternalError("secret path"), absl::DataLossError("secret path"),
                             absl::UnknownError("secret path")}) {
    const ApiError error = Mapped("StartTest", status);
    EXPECT_EQ(error.status, 500);
    EXPECT_EQ(error.Body().find("secret"), std::string::npos);
  }
}

TEST(Errors, Exhaustion) {
  const absl::Status busy = rpc::WithInfo(absl::ResourceExhaustedError("busy"),
                                          {.reason = "BUSY", .retry_after = absl::Seconds(7)});
  EXPECT_EQ(Of("CreateWave", busy), Answer(429, "ThrottlingException"));
  EXPECT_EQ(Mapped("CreateWave", busy).retry_after, absl::Seconds(7));
  const absl::Status quota =
      rpc::WithInfo(absl::ResourceExhaustedError("200 waves"), {.reason = "QUOTA_WAVES"});
  EXPECT_EQ(Of("CreateWave", quota), Answer(402, "ServiceQuotaExceededException"));
  EXPECT_EQ(json::parse(Mapped("CreateWave", quota).Body())["quotaCode"], "QUOTA_WAVES");
  EXPECT_EQ(Of("StartTest", quota), Answer(409, "ConflictException"));
}

TEST(Errors, QuotasHaveTheirMembers) {
  const absl::Status full = rpc::ExplainQuota(CheckQuota({.code = "ACTIVE_SOURCE_SERVERS",
                                                          .title = "source servers that replicate",
                                                          .limit = 150,
                                                          .used = 150,
                                                          .option = "quota-active-source-servers",
                                                          .advice = "stop some"},
                                                         1),
                                              "registry", "sourceServers/s-0123456789abcdef0");
  const json body = json::parse(Mapped("StartReplication", full).Body());
  EXPECT_EQ(body["code"], "ServiceQuotaExceededException");
  EXPECT_EQ(body["serviceCode"], "mgn");
  EXPECT_EQ(body["quotaCode"], "ACTIVE_SOURCE_SERVERS");
  EXPECT_EQ(body["quotaValue"], 150);
  EXPECT_EQ(body["resourceType"], "SourceServer");
  EXPECT_EQ(body["resourceId"], "s-0123456789abcdef0");
  EXPECT_EQ(body["message"],
            "quota ACTIVE_SOURCE_SERVERS: at most 150 source servers that replicate; there are 150 "
            "and 1 more would be too many; stop some, or raise --quota-active-source-servers");
  // Where the operation knows no quotas, it is a conflict that names it.
  const absl::Status jobs = rpc::ExplainQuota(
      CheckQuota({.code = "CONCURRENT_JOBS", .title = "jobs at once", .limit = 20, .used = 20}, 1),
      "jobs");
  const json conflict = json::parse(Mapped("StartTest", jobs).Body());
  EXPECT_EQ(conflict["code"], "ConflictException");
  EXPECT_EQ(conflict["errors"][0]["code"], "CONCURRENT_JOBS");
  EXPECT_FALSE(conflict.contains("resourceId"));
}

TEST(Errors, ALaunchOfManyNamesEachServerThatStandsInTheWay) {
  const absl::Status refusal =
      rpc::WithInfo(absl::FailedPreconditionError("sourceServers/s-0123456789abcdef0: not ready"),
                    {.reason = "WRONG_LIFECYCLE_STATE",
                     .metadata = {{"server", "sourceServers/s-0123456789abcdef0"}},
                     .field_violations = {{"sourceServers/s-0123456789abcdef0", "not ready"},
                                          {"sourceServers/s-0123456789abcdef1", "done"}}});
  const json errors = json::parse(Mapped("StartTest", refusal).Body())["errors"];
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_EQ(errors[1]["resourceId"], "s-0123456789abcdef1");
  EXPECT_EQ(errors[1]["code"], "WRONG_LIFECYCLE_STATE");
  EXPECT_EQ(errors[1]["message"], "done");
}

TEST(Errors, BodiesNameWhatStandsInTheWay) {
  const absl::Status refusal =
      rpc::WithInfo(absl::FailedPreconditionError("sourceServers/s-0123456789abcdef0: not ready"),
                    {.reason = "WRONG_LIFECYCLE_STATE",
                     .metadata = {{"server", "sourceServers/s-0123456789abcdef0"},
                                  {"helpful_call", "StartTest"}}});
  const json body = json::parse(Mapped("StartCutover", refusal).Body());
  EXPECT_EQ(body["code"], "ConflictException");
  EXPECT_EQ(body["resourceId"], "s-0123456789abcdef0");
  EXPECT_EQ(body["errors"][0]["resourceType"], "SourceServer");
  EXPECT_EQ(body["errors"][0]["code"], "WRONG_LIFECYCLE_STATE");
  EXPECT_NE(body["message"].get<std::string>().find("try StartTest"), std::string::npos);
  const json missing = json::parse(
      Mapped("DeleteJob", absl::NotFoundError("there is no jobs/job-0123456789abcdef0")).Body());
  EXPECT_EQ(missing["resourceId"], "mgnjob-0123456789abcdef0");
  const json field =
      json::parse(Mapped("StartTest", rpc::FieldError("names[1]", "appears twice")).Body());
  EXPECT_EQ(field["reason"], "fieldValidationFailed");
  EXPECT_EQ(field["fieldList"][0]["name"], "names[1]");
  // A text of a service that is no UTF-8 makes no broken body.
  EXPECT_NO_THROW(json::parse(Mapped("StartTest", absl::AbortedError("\xff")).Body()));
}

// What is done is in the table, under the name it has there.
TEST(Operations, AreThoseOfTheTable) {
  std::size_t found = 0;
  for (const Operation* operation : AllOperations()) found += Operations().count(operation->name);
  EXPECT_EQ(found, Operations().size());
  EXPECT_GE(found, 24u);
  std::printf("%zu of %zu operations are done\n", found, AllOperations().size());
}

}  // namespace
}  // namespace godwit::gateway::mgn

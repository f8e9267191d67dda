// The rules of the life cycle of one call: those that the gateway asks for, for the user it speaks
// for.
#include "services/common/rpc/caller.h"
#include "tests/rpc/services/registry/identity/identity_fixture.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;

TEST_F(IdentityTest, LifeCycleProfileOfACall) {
  const std::string name = EnrolledServer();
  const auto events = pb::RegistryEventService::NewStub(ChannelAs("service/jobs"));
  pb::ReportInitialSyncDoneRequest synced;
  synced.set_source_server(name);
  synced.set_point(name + "/points/" + NewId("p-"));
  synced.set_request_id(NewUuid());
  ASSERT_OK(Call(*events, &pb::RegistryEventService::Stub::ReportInitialSyncDone, synced));

  // A cutover straight from READY_FOR_TEST: the lenient rules alone let it happen.
  const auto gateway = pb::SourceServerService::NewStub(ChannelAs("service/gateway"));
  const auto cut_over = [&](const std::string& profile) {
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(20));
    rpc::SetOnBehalfOf(context, *rpc::ParsePrincipal("user/operator/carol"), "203.0.113.9",
                       profile);
    pb::StartLaunchRequest launch;
    launch.add_names(name);
    launch.set_request_id(NewUuid());
    jobs_pb::Job job;
    return rpc::FromGrpc(gateway->StartCutover(&context, launch, &job));
  };
  for (const char* strict : {"", "strict"}) {
    EXPECT_THAT(cut_over(strict), StatusIs(absl::StatusCode::kFailedPrecondition, "READY_FOR_TEST"))
        << strict;
  }
  ASSERT_OK(cut_over("lenient"));
  EXPECT_EQ(Get(name).lifecycle_state(), pb::SourceServer::CUTTING_OVER);
  EXPECT_EQ(installation_->jobs.requests().back().initiated_by(), "user/operator/carol");

  const auto reader = pb::SourceServerService::NewStub(ChannelAs("user/viewer/v"));
  pb::ListServerHistoryRequest history;
  history.set_name(name);
  ASSERT_OK_AND_ASSIGN(const auto entries,
                       Call(*reader, &pb::SourceServerService::Stub::ListServerHistory, history));
  EXPECT_THAT(entries.DebugString(), ::testing::HasSubstr("user/operator/carol"));
}

// While one CA takes over from another, agents get both of those that the registry trusts.
TEST_F(IdentityTest, AgentsGetAllCasThatTheRegistryTrusts) {
  const ::godwit::testing::TestPki next;
  const std::string dir = *dir_ / "registry";
  installation_->pki.Write("service/registry", dir);
  const rpc::TlsMaterial before = installation_->config.tls;
  ASSERT_OK_AND_ASSIGN(installation_->config.tls, rpc::LoadWatchedTls(dir));
  ASSERT_OK(StartRegistry());
  const std::string both = installation_->pki.ca().certificate_pem + next.ca().certificate_pem;
  const auto enroll = [&]() -> std::string {
    const auto enrolled =
        Enroll(EnrollRequestFor(NewToken().secret(), *rpc::MakeKeyAndCsr("agent")));
    EXPECT_OK(enrolled);
    return enrolled.ok() ? enrolled->ca_pem() : "";
  };
  EXPECT_EQ(enroll(), installation_->pki.ca().certificate_pem);
  ASSERT_OK(WriteFileAtomically(dir + "/ca.crt", both));
  EXPECT_EQ(enroll(), both);
  installation_->config.tls = before;
  ASSERT_OK(StartRegistry());
}

}  // namespace
}  // namespace godwit::registry

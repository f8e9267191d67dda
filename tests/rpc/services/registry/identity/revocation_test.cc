// Users and certificates that were revoked: refused within seconds, their access keys as well, and
// taken again after a restore.
#include <thread>

#include "godwit/registry/v1/revocation_service.grpc.pb.h"
#include "services/common/rpc/caller.h"
#include "tests/rpc/services/registry/identity/identity_fixture.h"

namespace godwit::registry {
namespace {

using ::testing::HasSubstr;
using Stub = pb::SourceServerService::Stub;

absl::Status List(const std::shared_ptr<grpc::Channel>& channel, const std::string& on_behalf_of) {
  const auto stub = pb::SourceServerService::NewStub(channel);
  grpc::ClientContext context;
  rpc::SetTimeout(context, absl::Seconds(10));
  if (!on_behalf_of.empty()) context.AddMetadata(rpc::kOnBehalfOfKey, on_behalf_of);
  pb::ListSourceServersResponse response;
  return rpc::FromGrpc(stub->ListSourceServers(&context, {}, &response));
}

// How long until calls end with the reason (empty: are let in); 5 seconds at most.
absl::Duration Until(const std::string& reason, const std::function<absl::Status()>& call) {
  const absl::Time start = absl::Now();
  absl::Status last;
  while (absl::Now() - start < absl::Seconds(5)) {
    last = call();
    if (rpc::GetInfo(last).reason == reason && last.ok() == reason.empty()) {
      return absl::Now() - start;
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
  ADD_FAILURE() << "not within 5 s: \"" << reason << "\" but " << last;
  return absl::InfiniteDuration();
}

TEST_F(IdentityTest, RevokedUsersAreRefused) {
  const auto ci = ChannelAs("user/operator/ci");
  const auto gateway = ChannelAs("service/gateway");
  const auto other = ChannelAs("user/operator/other");
  ASSERT_OK(List(ci, ""));
  ASSERT_OK(List(gateway, "user/operator/ci"));
  const cli::Ran made = Do("user/admin/alice", {"access-keys", "create", "user/operator/ci"});
  const std::string key = "accessKeys/" + made.out.substr(made.out.find("GWAK"), 20);

  const cli::Ran added =
      Do("user/admin/alice", {"revocations", "add", "user/operator/ci", "--reason", "left"});
  EXPECT_EQ(added.out, "user/operator/ci revoked\n") << added.err;
  const absl::Duration took = Until("PRINCIPAL_REVOKED", [&] { return List(ci, ""); });
  std::cout << "refused after " << took << std::endl;
  EXPECT_EQ(rpc::GetInfo(List(gateway, "user/operator/ci")).reason, "PRINCIPAL_REVOKED");
  EXPECT_OK(List(other, ""));
  EXPECT_OK(List(gateway, "user/operator/other"));
  ASSERT_OK_AND_ASSIGN(const pb::SigningKey signing,
                       Call(*pb::AccessKeyService::NewStub(gateway),
                            &pb::AccessKeyService::Stub::GetSigningKey, Today(key)));
  EXPECT_TRUE(signing.disabled());
  const cli::Ran list = Do("user/admin/alice", {"revocations", "list"});
  EXPECT_THAT(list.out, HasSubstr("user/operator/ci"));
  EXPECT_THAT(list.out, HasSubstr("left"));
  EXPECT_EQ(Do("user/operator/other", {"revocations", "list"}).exit_code, cli::kNotPermitted);
  // Not oneself, not an agent, not nonsense.
  EXPECT_EQ(Do("user/admin/alice", {"revocations", "add", "user/admin/alice"}).exit_code,
            cli::kRefused);
  for (const char* bad : {"agent/s-00000000000000001", "everybody", "certificate/12"}) {
    EXPECT_EQ(Do("user/admin/alice", {"revocations", "add", bad}).exit_code, cli::kUsage) << bad;
  }
  EXPECT_EQ(Do("user/admin/alice", {"revocations", "remove", "user/operator/ci"}).out,
            "user/operator/ci restored\n");
  Until("", [&] { return List(ci, ""); });
  EXPECT_EQ(Do("user/admin/alice", {"revocations", "remove", "user/operator/ci"}).exit_code,
            cli::kNotFound);
  Delete(key);
}

TEST_F(IdentityTest, OneCertificateOfAUserIsRefused) {
  const rpc::TlsMaterial lost = installation_->pki.Issue("user/operator/carol");
  const auto with_lost = ChannelWith(lost);
  const auto with_new = ChannelAs("user/operator/carol");
  ASSERT_OK(List(with_lost, ""));
  const std::string file = *dir_ / "lost.crt";
  ASSERT_OK(WriteFileAtomically(file, lost.certificate_chain));
  const cli::Ran added = Do("user/admin/alice", {"revocations", "add", file});
  EXPECT_THAT(added.out, ::testing::MatchesRegex("certificate/[0-9a-f]{64} revoked\n"))
      << added.err;
  Until("CERTIFICATE_REVOKED", [&] { return List(with_lost, ""); });
  EXPECT_OK(List(with_new, ""));
  EXPECT_EQ(Do("user/admin/alice", {"revocations", "remove", file}).exit_code, 0);
  Until("", [&] { return List(with_lost, ""); });
}

}  // namespace
}  // namespace godwit::registry

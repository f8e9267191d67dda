#include "services/common/rpc/identity.h"

#include "services/common/rpc/serve.h"
#include "tests/support/status_matchers.h"

namespace godwit::rpc {
namespace {

using ::godwit::testing::StatusIs;

TEST(Identity, RoundTripsEveryKind) {
  for (const char* principal :
       {"agent/s-0123456789abcdef0", "worker/w-0123456789abcdef0", "conversion-worker/host-1",
        "service/registry", "user/admin/alice", "user/operator/bob@example.org", "user/viewer/c"}) {
    ASSERT_OK_AND_ASSIGN(const Identity identity, ParsePrincipal(principal));
    EXPECT_EQ(identity.Principal(), principal);
    ASSERT_OK_AND_ASSIGN(const Identity again, ParseIdentityUri(identity.Uri()));
    EXPECT_EQ(again.Principal(), principal);
  }
  EXPECT_EQ(ParsePrincipal("service/registry")->DnsName(), "registry.service.godwit.internal");
}

TEST(Identity, RefusesOtherForms) {
  for (const char* bad : {"", "agent", "agent/", "agent/a/b", "user/alice", "user/root/alice",
                          "robot/x", "agent/a b", "agent/a\n", "service/../x"}) {
    EXPECT_THAT(ParsePrincipal(bad), StatusIs(absl::StatusCode::kInvalidArgument, "identity"))
        << bad;
  }
  EXPECT_THAT(ParseIdentityUri("spiffe://elsewhere/agent/x"),
              StatusIs(absl::StatusCode::kUnauthenticated, "installation"));
  EXPECT_THAT(ParseIdentityUri("spiffe://godwit/agent/x/y"),
              StatusIs(absl::StatusCode::kUnauthenticated, "identity"));
}

TEST(Access, EachRoleReachesOnlyWhatNamesIt) {
  const std::pair<const char*, std::uint32_t> kPeers[] = {
      {"agent/s-1", kAgents},
      {"worker/w-1", kWorkers},
      {"conversion-worker/x", kConversionWorkers},
      {"service/jobs", kServices},
      {"user/viewer/v", kViewers},
      {"user/operator/o", kOperators},
      {"user/admin/a", kAdmins}};
  for (const auto& [principal, own] : kPeers) {
    for (const auto& [other, bit] : kPeers) {
      const absl::Status status = CheckAccess(*ParsePrincipal(principal), bit);
      EXPECT_EQ(status.ok(), bit == own) << principal << " on a method for " << other;
    }
    EXPECT_THAT(CheckAccess(*ParsePrincipal(principal), 0),
                StatusIs(absl::StatusCode::kPermissionDenied, principal));
  }
}

}  // namespace
}  // namespace godwit::rpc

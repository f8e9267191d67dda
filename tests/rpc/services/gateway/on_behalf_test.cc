// A user's call through the gateway is his: in the audit log, in the history of the server, by his
// key's rules of the life cycle, with one request id everywhere; sent again it is the same change.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "godwit/registry/v1/fleet_service.grpc.pb.h"
#include "tests/rpc/services/gateway/gateway_fixture.h"

namespace godwit::gateway {
namespace {

namespace pb = ::godwit::registry::v1;

class OnBehalfTest : public GatewayTest {
 protected:
  // Entries of the audit log of a server by a principal, newest first.
  static std::vector<pb::AuditEntry> Audited(const std::string& server,
                                             const std::string& principal) {
    pb::ListAuditEntriesRequest request;
    request.set_resource("sourceServers/" + server);
    const auto list = Ask(pb::FleetService::NewStub(i_->cluster->Channel("registry")),
                          &pb::FleetService::Stub::ListAuditEntries, request);
    EXPECT_OK(list);
    std::vector<pb::AuditEntry> found;
    if (!list.ok()) return found;
    std::copy_if(list->entries().begin(), list->entries().end(), std::back_inserter(found),
                 [&](const pb::AuditEntry& entry) { return entry.principal() == principal; });
    return found;
  }
};

TEST_F(OnBehalfTest, AUsersCallIsHis) {
  ASSERT_OK_AND_ASSIGN(const std::string tested, ReadyServer());
  ASSERT_OK_AND_ASSIGN(const std::string other, ReadyServer());
  ASSERT_OK_AND_ASSIGN(const std::string log, Script("again.py", {tested, other}));
  // Request ids of: a test, the same sent again, a second one, a viewer's, an early cutover by the
  // operator, the same by a key with the lenient rules.
  const std::vector<std::string> ids =
      absl::StrSplit(log, absl::ByAnyChar(" \n"), absl::SkipWhitespace());
  ASSERT_EQ(ids.size(), 6u) << log;

  const std::vector<pb::AuditEntry> own = Audited(tested, "user/operator/ci");
  ASSERT_GE(own.size(), 2u);
  EXPECT_EQ(own.back().code(), 0);
  EXPECT_NE(own.front().code(), 0);  // refused by the job service: the first job runs
  EXPECT_NE(own.front().request_id(), own.back().request_id());
  // What was sent again is no second change.
  EXPECT_EQ(std::count_if(own.begin(), own.end(),
                          [&](const pb::AuditEntry& entry) {
                            return entry.request_id() == own.back().request_id();
                          }),
            1);
  for (const pb::AuditEntry& entry : own)
    EXPECT_EQ(entry.method(), "SourceServerService.StartTest");
  EXPECT_EQ(own.back().peer(), "127.0.0.1 via service/gateway");
  const std::vector<pb::AuditEntry> refused = Audited(tested, "user/viewer/dashboard");
  ASSERT_EQ(refused.size(), 1u);  // by the registry, whose table says who may
  EXPECT_EQ(refused[0].method(), "SourceServerService.StartTest");
  EXPECT_EQ(refused[0].code(), static_cast<int>(absl::StatusCode::kPermissionDenied));
  EXPECT_EQ(refused[0].peer(), "127.0.0.1 via service/gateway");

  ASSERT_EQ(Audited(other, "user/operator/ci").size(), 1u);
  EXPECT_NE(Audited(other, "user/operator/ci")[0].code(), 0);
  ASSERT_EQ(Audited(other, "user/admin/alice").size(), 1u);
  EXPECT_EQ(Audited(other, "user/admin/alice")[0].code(), 0);
  pb::ListServerHistoryRequest history;
  history.set_name("sourceServers/" + tested);
  ASSERT_OK_AND_ASSIGN(const auto changes,
                       Ask(pb::SourceServerService::NewStub(i_->cluster->Channel("registry")),
                           &pb::SourceServerService::Stub::ListServerHistory, history));
  EXPECT_TRUE(std::any_of(changes.entries().begin(), changes.entries().end(), [](const auto& one) {
    return one.event() == "StartTest" && one.principal() == "user/operator/ci";
  })) << changes.DebugString();

  // The id that the client was told is in the gateway's log, and in that of the registry where it
  // logged the call.
  int passed_on = 0;
  for (const std::string& id : ids) {
    EXPECT_EQ(id.size(), 36u);
    const std::string field = absl::StrCat("\"request_id\":\"", id, "\"");
    EXPECT_TRUE(absl::StrContains(i_->gateway.Log(), field)) << id;
    passed_on += absl::StrContains(i_->cluster->Get("registry").Log(), field) ? 1 : 0;
  }
  EXPECT_GE(passed_on, 3);
  for (const auto& [name, key] : i_->keys) {
    EXPECT_FALSE(absl::StrContains(i_->gateway.Log(), key.secret())) << name;
  }
}

}  // namespace
}  // namespace godwit::gateway

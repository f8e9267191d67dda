// The audit log: who, from where, refused attempts, in an order that nobody changes without being
// seen.
#include <set>
#include <thread>

#include "absl/strings/str_split.h"
#include "services/common/rpc/caller.h"
#include "services/registry/storage/audit_store.h"
#include "tests/rpc/services/registry/identity/identity_fixture.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::HasSubstr;
using Stub = pb::AccessKeyService::Stub;

TEST_F(IdentityTest, AuditLogIsAChain) {
  // Eight at once: no gaps, one order.
  const auto admin = As("user/admin/alice");
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 5; ++j) {
        pb::DeleteAccessKeyRequest request;
        request.set_name("accessKeys/" + NewAccessKeyId());
        EXPECT_THAT(Call(*admin, &Stub::DeleteAccessKey, request),
                    StatusIs(absl::StatusCode::kNotFound, "GWAK"));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  // One through a gateway, refused, with the request id that it carried.
  grpc::ClientContext context;
  rpc::SetTimeout(context, absl::Seconds(10));
  const std::string request_id = NewUuid();
  rpc::SetOnBehalfOf(context, *rpc::ParsePrincipal("user/viewer/eve"), "203.0.113.7", "");
  context.AddMetadata(rpc::kRequestIdKey, request_id);
  pb::DeleteAccessKeyResponse none;
  EXPECT_FALSE(As("service/gateway")->DeleteAccessKey(&context, {}, &none).ok());

  const cli::Ran good = Do("user/admin/alice", {"audit", "verify"});
  ASSERT_EQ(good.exit_code, 0) << good.err;
  ASSERT_THAT(good.out, HasSubstr(" entries are as they were written; head "));
  const std::string head =
      good.out.substr(good.out.rfind(' ') + 1, good.out.size() - good.out.rfind(' ') - 2);
  const cli::Ran exported = Do("user/admin/alice", {"audit", "export"});
  const std::vector<std::string> lines = absl::StrSplit(exported.out, '\n', absl::SkipEmpty());
  EXPECT_GE(lines.size(), 41u);
  EXPECT_THAT(lines.back(), HasSubstr("\"principal\":\"user/viewer/eve\""));
  EXPECT_THAT(lines.back(), HasSubstr("\"peer\":\"203.0.113.7 via service/gateway\""));
  EXPECT_THAT(lines.back(), HasSubstr("\"method\":\"AccessKeyService.DeleteAccessKey\""));
  EXPECT_THAT(lines.back(), HasSubstr(absl::StrCat("\"requestId\":\"", request_id, "\"")));
  EXPECT_THAT(lines.back(), HasSubstr("\"code\":7"));
  EXPECT_EQ(Do("user/operator/ci", {"audit", "export"}).exit_code, cli::kNotPermitted);
  EXPECT_EQ(Do("user/admin/alice", {"audit", "verify", "--head", head}).exit_code, 0);

  // The database refuses to change it.
  ASSERT_OK_AND_ASSIGN(const auto connection,
                       pg::Connection::Open(installation_->database->conninfo()));
  for (const char* change :
       {"update registry.audit set principal = 'user/admin/bob' where sequence = 3",
        "delete from registry.audit where sequence = 3", "truncate registry.audit"}) {
    EXPECT_THAT(connection->Run(change), StatusIs(absl::StatusCode::kInternal, "append only"))
        << change;
  }
  // Who gets around that is seen: an entry that is changed, one that is missing in the middle, and
  // at the end.
  const auto tampered = [&](const std::string& change) {
    EXPECT_OK(
        connection->Run("create table keep as table registry.audit;"
                        "alter table registry.audit disable trigger user; " +
                        change));
    const cli::Ran ran = Do("user/admin/alice", {"audit", "verify"});
    EXPECT_OK(connection->Run(
        "delete from registry.audit; insert into registry.audit overriding system value"
        " table keep; drop table keep; alter table registry.audit enable trigger user"));
    EXPECT_EQ(ran.exit_code, cli::kFailed) << change << ran.out << ran.err;
    return ran.err;
  };
  EXPECT_THAT(tampered("update registry.audit set detail = 'x' where sequence = 3"),
              HasSubstr("entry 3: was changed"));
  EXPECT_THAT(tampered("delete from registry.audit where sequence = 5"),
              HasSubstr("entry 6: does not follow entry 4"));
  EXPECT_THAT(tampered("delete from registry.audit where sequence ="
                       " (select max(sequence) from registry.audit)"),
              HasSubstr("but its newest was"));
  // Another log, whole in itself, has not the head of before.
  std::string other_head = head;
  other_head.back() = other_head.back() == '0' ? '1' : '0';
  const cli::Ran other = Do("user/admin/alice", {"audit", "verify", "--head", other_head});
  EXPECT_EQ(other.exit_code, cli::kFailed);
  EXPECT_THAT(other.err, HasSubstr("is not what it was"));
  EXPECT_EQ(Do("user/admin/alice", {"audit", "verify", "--head", head}).exit_code, 0);
}

}  // namespace
}  // namespace godwit::registry

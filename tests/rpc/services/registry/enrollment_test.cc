#include <limits>

#include "services/common/pg/connection.h"
#include "tests/rpc/services/registry/registry_fixture.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;

class EnrollmentTest : public RegistryTest {};

rpc::TlsMaterial TlsOf(const pb::EnrollResponse& enrolled, const rpc::KeyAndCsr& key) {
  return {.certificate_chain = enrolled.certificate_chain_pem(),
          .private_key = key.private_key_pem,
          .ca = enrolled.ca_pem()};
}

TEST_F(EnrollmentTest, FromPinAndTokenToWorkingCertificate) {
  const pb::Token token = NewToken();
  ASSERT_OK_AND_ASSIGN(const std::string ca,
                       rpc::FetchPinnedCa(EnrollEndpoint(), token.ca_pin(), absl::Seconds(10)));
  EXPECT_EQ(ca, installation_->pki.ca().certificate_pem);
  const rpc::KeyAndCsr key = *rpc::MakeKeyAndCsr("agent");
  const std::size_t starts = installation_->replication.starts().size();
  ASSERT_OK_AND_ASSIGN(const pb::EnrollResponse enrolled,
                       Enroll(EnrollRequestFor(token.secret(), key)));
  EXPECT_EQ(enrolled.endpoints().replication(), "replication.example:7443");
  EXPECT_EQ(enrolled.certificate_generation(), 1);

  const pb::SourceServer server = Get(enrolled.source_server());
  EXPECT_EQ(server.lifecycle_state(), pb::SourceServer::NOT_READY);
  EXPECT_EQ(server.properties().hostname(), "source.example");
  ASSERT_EQ(installation_->replication.starts().size(), starts + 1);
  EXPECT_EQ(installation_->replication.starts().back().source_server(), enrolled.source_server());

  // The certificate opens the mTLS port as this server and no other.
  const auto agent = pb::EnrollmentService::NewStub(ChannelWith(TlsOf(enrolled, key)));
  pb::UpdatePropertiesRequest update;
  *update.mutable_properties() = server.properties();
  update.mutable_properties()->clear_disks();
  update.mutable_properties()->set_hostname("renamed.example");
  EXPECT_OK(Call(*agent, &pb::EnrollmentService::Stub::UpdateProperties, update));
  EXPECT_EQ(Get(enrolled.source_server()).properties().hostname(), "renamed.example");
  const auto as_agent = pb::SourceServerService::NewStub(ChannelWith(TlsOf(enrolled, key)));
  EXPECT_THAT(Call(*as_agent, &pb::SourceServerService::Stub::ListSourceServers,
                   pb::ListSourceServersRequest()),
              StatusIs(absl::StatusCode::kPermissionDenied, ""));
}

TEST_F(EnrollmentTest, MeasuredUseIsKeptAndMakesNoHistory) {
  const rpc::KeyAndCsr key = *rpc::MakeKeyAndCsr("agent");
  ASSERT_OK_AND_ASSIGN(const auto enrolled, Enroll(EnrollRequestFor(NewToken().secret(), key)));
  const auto agent = pb::EnrollmentService::NewStub(ChannelWith(TlsOf(enrolled, key)));
  pb::UpdatePropertiesRequest update;
  pb::SourceProperties& properties = *update.mutable_properties();
  properties = Get(enrolled.source_server()).properties();
  properties.clear_disks();
  properties.add_cpus()->set_core_count(4);
  properties.set_ram_bytes(4ll << 30);
  const auto report = [&] {
    return Call(*agent, &pb::EnrollmentService::Stub::UpdateProperties, update);
  };
  ASSERT_OK(report());
  const pb::SourceServer before = Get(enrolled.source_server());
  EXPECT_FALSE(before.properties().has_use());

  pb::MeasuredUse& use = *properties.mutable_use();
  use.mutable_start_time()->set_seconds(1'780'000'000);
  use.mutable_end_time()->set_seconds(1'780'000'600);
  use.set_sample_count(10);
  use.set_mean_cores(0.5);
  use.set_p95_cores(1.5);
  use.set_peak_cores(4);
  use.set_p95_memory_bytes(1ll << 30);
  use.set_peak_memory_bytes(2ll << 30);
  ASSERT_OK(report());
  const pb::SourceServer after = Get(enrolled.source_server());
  EXPECT_EQ(after.properties().use().SerializeAsString(), use.SerializeAsString());
  EXPECT_EQ(after.etag(), before.etag());
  EXPECT_EQ(after.properties().update_time().seconds(),
            before.properties().update_time().seconds());

  // Something else changes, and the agent has nothing to say of its use.
  const pb::MeasuredUse kept = use;
  properties.clear_use();
  properties.set_hostname("renamed.example");
  ASSERT_OK(report());
  const pb::SourceServer renamed = Get(enrolled.source_server());
  EXPECT_NE(renamed.etag(), before.etag());
  EXPECT_EQ(renamed.properties().use().SerializeAsString(), kept.SerializeAsString());

  const auto field_of = [&](const std::function<void(pb::MeasuredUse&)>& spoil) {
    *properties.mutable_use() = kept;
    spoil(*properties.mutable_use());
    const auto answer = report();
    EXPECT_THAT(answer, StatusIs(absl::StatusCode::kInvalidArgument, ""));
    const auto violations = rpc::GetInfo(answer.status()).field_violations;
    return violations.empty() ? std::string("none") : violations[0].first;
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(field_of([](auto& u) { u.set_peak_cores(4.01); }), "properties.use.peak_cores");
  EXPECT_EQ(field_of([&](auto& u) { u.set_peak_cores(nan); }), "properties.use.peak_cores");
  EXPECT_EQ(field_of([&](auto& u) { u.set_p95_cores(nan); }), "properties.use.p95_cores");
  EXPECT_EQ(field_of([](auto& u) { u.set_mean_cores(-1); }), "properties.use.mean_cores");
  EXPECT_EQ(field_of([](auto& u) { u.set_peak_memory_bytes(5ll << 30); }),
            "properties.use.peak_memory_bytes");
  EXPECT_EQ(field_of([](auto& u) { u.set_p95_memory_bytes(3ll << 30); }),
            "properties.use.p95_memory_bytes");
  EXPECT_EQ(field_of([](auto& u) { u.set_sample_count(0); }), "properties.use.sample_count");
  EXPECT_EQ(field_of([](auto& u) { u.clear_start_time(); }), "properties.use.start_time");
  EXPECT_EQ(field_of([](auto& u) { u.mutable_end_time()->set_seconds(1); }),
            "properties.use.end_time");
  EXPECT_EQ(field_of([](auto& u) { u.mutable_end_time()->set_seconds(1ll << 60); }),
            "properties.use.end_time");
  EXPECT_EQ(Get(enrolled.source_server()).properties().use().peak_cores(), 4);
}

TEST_F(EnrollmentTest, TokensHaveLimits) {
  const pb::Token token = NewToken();
  const rpc::KeyAndCsr key = *rpc::MakeKeyAndCsr("agent");
  ASSERT_OK_AND_ASSIGN(const auto first, Enroll(EnrollRequestFor(token.secret(), key)));
  // The same key again: the answer was lost; the same server, not a second use.
  ASSERT_OK_AND_ASSIGN(const auto again, Enroll(EnrollRequestFor(token.secret(), key)));
  EXPECT_EQ(again.source_server(), first.source_server());
  EXPECT_EQ(again.certificate_generation(), 2);

  const auto used_up = Enroll(EnrollRequestFor(token.secret(), *rpc::MakeKeyAndCsr("another")));
  EXPECT_THAT(used_up, StatusIs(absl::StatusCode::kUnauthenticated, "used up"));
  EXPECT_EQ(rpc::GetInfo(used_up.status()).reason, "TOKEN_USED_UP");

  const auto forged =
      Enroll(EnrollRequestFor(token.secret().substr(0, token.secret().size() - 4) + "AAAA", key));
  EXPECT_EQ(rpc::GetInfo(forged.status()).reason, "TOKEN_UNKNOWN");
  EXPECT_THAT(Enroll(EnrollRequestFor("hello", key)),
              StatusIs(absl::StatusCode::kUnauthenticated, "not an installation token"));

  const pb::Token revoked = NewToken();
  const auto admin = pb::TokenService::NewStub(ChannelAs("user/admin/alice"));
  pb::RevokeTokenRequest revoke;
  revoke.set_name(revoked.name());
  ASSERT_OK(Call(*admin, &pb::TokenService::Stub::RevokeToken, revoke));
  EXPECT_EQ(rpc::GetInfo(Enroll(EnrollRequestFor(revoked.secret(), key)).status()).reason,
            "TOKEN_REVOKED");
}

TEST_F(EnrollmentTest, SecretIsInTheAnswersOfOneRequestOnly) {
  const auto admin = pb::TokenService::NewStub(ChannelAs("user/admin/alice"));
  pb::CreateTokenRequest create;
  create.set_request_id(NewUuid());
  ASSERT_OK_AND_ASSIGN(const pb::Token token,
                       Call(*admin, &pb::TokenService::Stub::CreateToken, create));
  ASSERT_OK_AND_ASSIGN(const pb::Token same,
                       Call(*admin, &pb::TokenService::Stub::CreateToken, create));
  EXPECT_EQ(same.name(), token.name());
  EXPECT_EQ(same.secret(), token.secret());
  create.set_max_uses(7);
  const auto other_body = Call(*admin, &pb::TokenService::Stub::CreateToken, create);
  ASSERT_THAT(other_body, StatusIs(absl::StatusCode::kInvalidArgument, "request_id"));
  ASSERT_EQ(rpc::GetInfo(other_body.status()).field_violations.size(), 1u);
  ASSERT_OK_AND_ASSIGN(const pb::ListTokensResponse list,
                       Call(*admin, &pb::TokenService::Stub::ListTokens, pb::ListTokensRequest()));
  for (const pb::Token& listed : list.tokens()) EXPECT_EQ(listed.secret(), "");

  // Nor does any table hold it.
  ASSERT_OK_AND_ASSIGN(const auto connection,
                       pg::Connection::Open(installation_->database->conninfo()));
  const std::string secret = token.secret().substr(token.secret().find('.') + 1);
  constexpr pg::Statement kFind = {
      "find_secret",
      "select count(*) from registry.request r, registry.installation_token t, registry.audit a"
      " where encode(r.answer, 'escape') like '%' || $1 || '%' or t.secret_hash = $1"
      " or a.detail like '%' || $1 || '%'"};
  ASSERT_OK_AND_ASSIGN(const pg::Result found, connection->Exec(kFind, {secret}));
  EXPECT_EQ(found.Int(0, 0), 0);

  const auto operator_stub = pb::TokenService::NewStub(ChannelAs("user/operator/carol"));
  create.set_request_id(NewUuid());
  EXPECT_THAT(Call(*operator_stub, &pb::TokenService::Stub::CreateToken, create),
              StatusIs(absl::StatusCode::kPermissionDenied, "admin"));
}

TEST_F(EnrollmentTest, RenewalGrowsTheGenerationAndFindsClones) {
  const rpc::KeyAndCsr key = *rpc::MakeKeyAndCsr("agent");
  ASSERT_OK_AND_ASSIGN(const auto enrolled, Enroll(EnrollRequestFor(NewToken().secret(), key)));
  const auto agent = pb::EnrollmentService::NewStub(ChannelWith(TlsOf(enrolled, key)));
  const rpc::KeyAndCsr next = *rpc::MakeKeyAndCsr("agent");
  pb::RenewRequest renew;
  renew.set_csr_pem(next.csr_pem);
  renew.set_certificate_generation(enrolled.certificate_generation());
  ASSERT_OK_AND_ASSIGN(const auto renewed,
                       Call(*agent, &pb::EnrollmentService::Stub::Renew, renew));
  EXPECT_EQ(renewed.certificate_generation(), 2);
  // The answer was lost: the same CSR again gives the same generation.
  ASSERT_OK_AND_ASSIGN(const auto repeated,
                       Call(*agent, &pb::EnrollmentService::Stub::Renew, renew));
  EXPECT_EQ(repeated.certificate_generation(), 2);
  // A clone that still has the first certificate.
  renew.set_csr_pem(rpc::MakeKeyAndCsr("agent")->csr_pem);
  const auto clone = Call(*agent, &pb::EnrollmentService::Stub::Renew, renew);
  EXPECT_THAT(clone, StatusIs(absl::StatusCode::kPermissionDenied, "clone"));
  EXPECT_EQ(rpc::GetInfo(clone.status()).reason, "GENERATION_MISMATCH");
  // Knowing the generation does not help without the key.
  renew.set_certificate_generation(2);
  EXPECT_EQ(rpc::GetInfo(Call(*agent, &pb::EnrollmentService::Stub::Renew, renew).status()).reason,
            "KEY_REPLACED");
}

TEST_F(EnrollmentTest, RevocationEndsAnIdentity) {
  const rpc::KeyAndCsr key = *rpc::MakeKeyAndCsr("agent");
  const pb::Token token = NewToken(5);
  ASSERT_OK_AND_ASSIGN(const auto enrolled, Enroll(EnrollRequestFor(token.secret(), key)));
  const auto jobs = pb::RegistryEventService::NewStub(ChannelAs("service/replication"));
  pb::GetServerForServiceRequest ask;
  ask.set_name(enrolled.source_server());
  ASSERT_OK_AND_ASSIGN(const auto before,
                       Call(*jobs, &pb::RegistryEventService::Stub::GetServerForService, ask));
  EXPECT_TRUE(before.agent_allowed());

  const auto admin = pb::TokenService::NewStub(ChannelAs("user/admin/alice"));
  pb::RevokeServerIdentityRequest revoke;
  revoke.set_name(enrolled.source_server());
  ASSERT_OK(Call(*admin, &pb::TokenService::Stub::RevokeServerIdentity, revoke));
  ASSERT_OK_AND_ASSIGN(const auto after,
                       Call(*jobs, &pb::RegistryEventService::Stub::GetServerForService, ask));
  EXPECT_FALSE(after.agent_allowed());
  pb::ListReplicationFactsRequest many;
  many.add_source_servers("sourceServers/s-0000000000000dead");
  many.add_source_servers(enrolled.source_server());
  ASSERT_OK_AND_ASSIGN(const auto facts,
                       Call(*jobs, &pb::RegistryEventService::Stub::ListReplicationFacts, many));
  ASSERT_EQ(facts.facts_size(), 1) << "of those that exist";
  EXPECT_EQ(facts.facts(0).source_server(), enrolled.source_server());
  EXPECT_TRUE(facts.facts(0).identity_revoked());
  EXPECT_FALSE(facts.facts(0).agent_allowed());
  EXPECT_EQ(facts.facts(0).replication_settings().ShortDebugString(),
            after.replication_settings().ShortDebugString());
  many.add_source_servers("servers/1");
  EXPECT_THAT(Call(*jobs, &pb::RegistryEventService::Stub::ListReplicationFacts, many),
              StatusIs(absl::StatusCode::kInvalidArgument, "source_servers[2]"));
  const auto agent = pb::EnrollmentService::NewStub(ChannelWith(TlsOf(enrolled, key)));
  pb::RenewRequest renew;
  renew.set_csr_pem(key.csr_pem);
  renew.set_certificate_generation(1);
  EXPECT_EQ(rpc::GetInfo(Call(*agent, &pb::EnrollmentService::Stub::Renew, renew).status()).reason,
            "IDENTITY_REVOKED");
  EXPECT_EQ(rpc::GetInfo(Enroll(EnrollRequestFor(token.secret(), key)).status()).reason,
            "IDENTITY_REVOKED");
}

TEST_F(EnrollmentTest, JoinsAnImportedServer) {
  const auto operator_stub = pb::SourceServerService::NewStub(ChannelAs("user/operator/carol"));
  pb::CreateSourceServerRequest create;
  create.set_request_id(NewUuid());
  create.set_user_provided_id("rack-7");
  (*create.mutable_tags())["owner"] = "billing";
  ASSERT_OK_AND_ASSIGN(
      const pb::SourceServer imported,
      Call(*operator_stub, &pb::SourceServerService::Stub::CreateSourceServer, create));
  EXPECT_EQ(imported.lifecycle_state(), pb::SourceServer::PENDING_INSTALLATION);
  create.set_request_id(NewUuid());
  EXPECT_THAT(Call(*operator_stub, &pb::SourceServerService::Stub::CreateSourceServer, create),
              StatusIs(absl::StatusCode::kAlreadyExists, imported.name()));

  pb::EnrollRequest request = EnrollRequestFor(NewToken().secret(), *rpc::MakeKeyAndCsr("agent"));
  request.set_user_provided_id("rack-7");
  ASSERT_OK_AND_ASSIGN(const auto enrolled, Enroll(request));
  EXPECT_EQ(enrolled.source_server(), imported.name());
  const pb::SourceServer joined = Get(imported.name());
  EXPECT_EQ(joined.lifecycle_state(), pb::SourceServer::NOT_READY);
  EXPECT_EQ(joined.tags().at("owner"), "billing");

  pb::EnrollRequest intruder = EnrollRequestFor(NewToken().secret(), *rpc::MakeKeyAndCsr("agent"));
  intruder.set_user_provided_id("rack-7");
  EXPECT_THAT(Enroll(intruder), StatusIs(absl::StatusCode::kAlreadyExists, "rack-7"));
}

TEST_F(EnrollmentTest, BadFieldsAreNamed) {
  const pb::Token token = NewToken(100);
  const rpc::KeyAndCsr key = *rpc::MakeKeyAndCsr("agent");
  const auto field_of = [&](const std::function<void(pb::EnrollRequest&)>& spoil) {
    pb::EnrollRequest request = EnrollRequestFor(token.secret(), key);
    spoil(request);
    const auto answer = Enroll(request);
    EXPECT_THAT(answer, StatusIs(absl::StatusCode::kInvalidArgument, ""));
    const auto violations = rpc::GetInfo(answer.status()).field_violations;
    return violations.empty() ? std::string("none") : violations[0].first;
  };
  EXPECT_EQ(field_of([](auto& r) { r.set_csr_pem("-----BEGIN RUBBISH-----"); }), "csr_pem");
  EXPECT_EQ(field_of([](auto& r) { r.set_csr_pem(std::string(20000, 'x')); }), "csr_pem");
  EXPECT_EQ(field_of([](auto& r) { r.set_request_id("1"); }), "request_id");
  EXPECT_EQ(field_of([](auto& r) { r.clear_properties(); }), "properties");
  EXPECT_EQ(field_of([](auto& r) { r.mutable_properties()->set_hostname(""); }),
            "properties.hostname");
  EXPECT_EQ(field_of([](auto& r) { r.mutable_properties()->set_hostname(std::string("a\0b", 3)); }),
            "properties.hostname");
  EXPECT_EQ(field_of([](auto& r) { r.mutable_properties()->mutable_disks(0)->set_size_bytes(-1); }),
            "properties.disks[0].size_bytes");
  EXPECT_EQ(field_of([](auto& r) { r.mutable_properties()->set_boot_mode("OPEN FIRMWARE"); }),
            "properties.boot_mode");
  EXPECT_EQ(field_of([](auto& r) { (*r.mutable_tags())[""] = "x"; }), "tags (key)");
}

TEST_F(EnrollmentTest, OnlyEnrollIsOnTheOpenPort) {
  const auto renew = pb::EnrollmentService::NewStub(EnrollChannel());
  EXPECT_THAT(Call(*renew, &pb::EnrollmentService::Stub::Renew, pb::RenewRequest()),
              StatusIs(absl::StatusCode::kUnimplemented, ""));
  const auto servers = pb::SourceServerService::NewStub(EnrollChannel());
  EXPECT_THAT(Call(*servers, &pb::SourceServerService::Stub::ListSourceServers,
                   pb::ListSourceServersRequest()),
              StatusIs(absl::StatusCode::kUnimplemented, ""));
}

}  // namespace
}  // namespace godwit::registry

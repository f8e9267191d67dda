// A registry with a master key file and small limits, and the command line against it.
#pragma once

#include "godwit/registry/v1/access_key_service.grpc.pb.h"
#include "services/registry/domain/access_key.h"
#include "tests/rpc/services/registry/registry_fixture.h"
#include "tests/support/process.h"
#include "tests/unit/cli/run.h"

namespace godwit::registry {

class IdentityTest : public RegistryTest {
 protected:
  static void SetUpTestSuite() {
    ASSERT_OK(SetUpInstallation(Profile::kStrict));
    dir_ = new ::godwit::testing::TempDir;
    ASSERT_OK(crypt::AddMasterKey(KeyFile()).status());
    installation_->config.master_key_file = KeyFile();
    installation_->config.access_key_limits = {.of_principal = 3, .all = 5};
    ASSERT_OK(StartRegistry());
  }
  static void TearDownTestSuite() {
    RegistryTest::TearDownTestSuite();
    delete dir_;
  }
  static std::string KeyFile() { return *dir_ / "master.keys"; }

  static std::unique_ptr<pb::AccessKeyService::Stub> As(const std::string& principal) {
    return pb::AccessKeyService::NewStub(ChannelAs(principal));
  }
  static pb::CreateAccessKeyRequest For(const std::string& principal) {
    pb::CreateAccessKeyRequest request;
    request.set_request_id(NewUuid());
    request.mutable_access_key()->set_principal(principal);
    return request;
  }
  static pb::GetSigningKeyRequest Today(const std::string& name) {
    pb::GetSigningKeyRequest request;
    request.set_name(name);
    request.set_date(absl::FormatTime("%Y%m%d", absl::Now(), absl::UTCTimeZone()));
    request.set_region("us-east-1");
    request.set_service("mgn");
    return request;
  }
  // How often `text` is anywhere in the database.
  static std::int64_t InDatabase(const std::string& text) {
    const auto connection = pg::Connection::Open(installation_->database->conninfo());
    EXPECT_OK(connection);
    constexpr pg::Statement kFind = {
        "find_text",
        "select (select count(*) from registry.request r where encode(r.answer, 'escape') like $1)"
        " + (select count(*) from registry.access_key k where k::text like $1"
        "     or encode(k.wrapped_secret, 'escape') like $1)"
        " + (select count(*) from registry.audit a where a::text like $1)"};
    const auto found = (*connection)->Exec(kFind, {absl::StrCat("%", text, "%")});
    EXPECT_OK(found);
    return found.ok() ? found->Int(0, 0) : -1;
  }
  static void Delete(const std::string& name) {
    pb::DeleteAccessKeyRequest request;
    request.set_name(name);
    EXPECT_OK(Call(*As("user/admin/alice"), &pb::AccessKeyService::Stub::DeleteAccessKey, request));
  }
  // A command line as `principal` against this registry.
  static cli::Ran Do(const std::string& principal, std::vector<std::string> arguments) {
    const std::string tls = *dir_ / principal;
    installation_->pki.Write(principal, tls);
    arguments.insert(arguments.end(),
                     {"--tls-dir", tls, "--registry", Endpoint(installation_->registry->port())});
    return cli::Godwit(std::move(arguments));
  }

  inline static ::godwit::testing::TempDir* dir_ = nullptr;
};

}  // namespace godwit::registry

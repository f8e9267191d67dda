// A user's scope counts for his access keys: through the gateway he sees no more than without it.
#include "godwit/registry/v1/fleet_service.grpc.pb.h"
#include "godwit/registry/v1/scope_service.grpc.pb.h"
#include "tests/rpc/services/gateway/gateway_fixture.h"

namespace godwit::gateway {
namespace {

namespace pb = ::godwit::registry::v1;

class ScopesTest : public GatewayTest {};

TEST_F(ScopesTest, AKeyReachesWhatItsUserDoes) {
  ASSERT_OK_AND_ASSIGN(const std::string inside, ReadyServer());
  ASSERT_OK_AND_ASSIGN(const std::string outside, ReadyServer());
  const auto fleet = pb::FleetService::NewStub(i_->cluster->Channel("registry"));
  pb::CreateApplicationRequest create;
  create.set_request_id(NewUuid());
  create.mutable_application()->set_display_name("Scoped");
  ASSERT_OK_AND_ASSIGN(const pb::Application application,
                       Ask(fleet, &pb::FleetService::Stub::CreateApplication, create));
  pb::AssociateRequest associate;
  associate.set_request_id(NewUuid());
  associate.set_name(application.name());
  associate.add_members("sourceServers/" + inside);
  ASSERT_OK(Ask(fleet, &pb::FleetService::Stub::AssociateSourceServers, associate));
  pb::SetScopeRequest scope;
  scope.set_request_id(NewUuid());
  scope.mutable_scope()->set_principal("user/operator/scoped");
  scope.mutable_scope()->add_applications(application.name());
  ASSERT_OK(Ask(pb::ScopeService::NewStub(i_->cluster->Channel("registry")),
                &pb::ScopeService::Stub::SetScope, scope));
  const std::string id = application.name().substr(sizeof "applications/" - 1);
  ASSERT_OK(Script("scopes.py", {inside, id, outside}));
}

}  // namespace
}  // namespace godwit::gateway

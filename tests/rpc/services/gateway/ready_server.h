// A source server as the registry sees it when its agent has enrolled and its first point exists:
// the calls of agent and coordinator, without their disks.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/enrollment_service.grpc.pb.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/ca.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"

namespace godwit::testing {

template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Ask(const std::unique_ptr<Stub>& stub,
                             grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                          Response*),
                             const Request& request) {
  grpc::ClientContext context;
  rpc::SetTimeout(context, absl::Seconds(20));
  Response response;
  RETURN_IF_ERROR(rpc::FromGrpc(((*stub).*method)(&context, request, &response)));
  return response;
}

struct RegistryWays {
  std::shared_ptr<grpc::Channel> registry;                  // as an administrator
  std::shared_ptr<grpc::Channel> registry_for_replication;  // as service/replication
  std::string enrollment;                                   // host:port
  std::string ca;                                           // PEM
};

struct EnrolledServer {
  std::string id;        // "s-" + 17 hex digits
  rpc::TlsMaterial tls;  // of its agent
};

// A new one with a disk of 1 GiB, /dev/sda.
inline absl::StatusOr<EnrolledServer> ReadyServer(const RegistryWays& ways) {
  namespace pb = ::godwit::registry::v1;
  pb::CreateTokenRequest create;
  create.set_request_id(NewUuid());
  ASSIGN_OR_RETURN(const pb::Token token, Ask(pb::TokenService::NewStub(ways.registry),
                                              &pb::TokenService::Stub::CreateToken, create));
  pb::EnrollRequest enroll;
  enroll.set_token(token.secret());
  ASSIGN_OR_RETURN(const rpc::KeyAndCsr pair, rpc::MakeKeyAndCsr("agent"));
  enroll.set_csr_pem(pair.csr_pem);
  enroll.set_request_id(NewUuid());
  enroll.mutable_properties()->set_hostname("source.example");
  enroll.mutable_properties()->set_boot_mode("BIOS");
  pb::Disk* disk = enroll.mutable_properties()->add_disks();
  disk->set_device_name("/dev/sda");
  disk->set_size_bytes(1 << 30);
  disk->set_is_boot_disk(true);
  disk->set_replicated(true);
  const auto channel = rpc::DialWithoutCertificate(
      ways.enrollment, {.kind = rpc::PeerKind::kService, .id = "registry"}, ways.ca);
  ASSIGN_OR_RETURN(
      const pb::EnrollResponse enrolled,
      Ask(pb::EnrollmentService::NewStub(channel), &pb::EnrollmentService::Stub::Enroll, enroll));
  pb::ReportInitialSyncDoneRequest done;
  done.set_source_server(enrolled.source_server());
  done.set_point(absl::StrCat(enrolled.source_server(), "/points/", NewId("p-")));
  done.set_request_id(NewUuid());
  RETURN_IF_ERROR(Ask(pb::RegistryEventService::NewStub(ways.registry_for_replication),
                      &pb::RegistryEventService::Stub::ReportInitialSyncDone, done)
                      .status());
  return EnrolledServer{.id = enrolled.source_server().substr(sizeof "sourceServers/" - 1),
                        .tls = {.certificate_chain = enrolled.certificate_chain_pem(),
                                .private_key = pair.private_key_pem,
                                .ca = enrolled.ca_pem()}};
}

}  // namespace godwit::testing

// The rules of enrolment: which server a key becomes, and its certificate.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "godwit/registry/v1/enrollment_service.pb.h"
#include "services/common/pg/connection.h"
#include "services/registry/domain/source_server.h"
#include "services/registry/rpc/backend.h"

namespace godwit::registry {

// Field checks of an EnrollRequest that need no database.
absl::Status CheckEnroll(const godwit::registry::v1::EnrollRequest& request);

// Checks the token, finds or makes the server, issues the certificate and puts the start of
// replication into the outbox; all in the transaction of `connection`. `start_command` is the id of
// that command, empty when none was needed.
absl::StatusOr<godwit::registry::v1::EnrollResponse> Enroll(
    Backend& backend, pg::Connection& connection,
    const godwit::registry::v1::EnrollRequest& request, std::string* start_command);

// A certificate for the server's agent with the key of `csr_pem`.
absl::StatusOr<std::string> IssueAgentCertificate(Backend& backend, const std::string& server_id,
                                                  const std::string& csr_pem);

// What agents verify services by: the CAs that the registry itself trusts now (two while one takes
// over from the other), and the one that issues.
std::string TrustedCas(const Backend& backend);

// Where agents find the services.
void SetEndpoints(const Backend& backend, godwit::registry::v1::ServiceEndpoints* out);

// PEM of at most 16 KiB with a key that can be read; gives the hash of the public key.
absl::StatusOr<std::string> CheckCsr(const std::string& csr_pem);

}  // namespace godwit::registry

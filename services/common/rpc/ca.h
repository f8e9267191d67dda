// Certificates: making a CA, issuing from a CSR, making key + CSR. ECDSA P-256. Used by the
// registry (CA), the agent (key, CSR) and set-up commands. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/rpc/identity.h"

namespace godwit::rpc {

struct KeyAndCsr {
  std::string private_key_pem;
  std::string csr_pem;
};
struct CaMaterial {
  std::string certificate_pem;
  std::string private_key_pem;
};

// A new self-signed CA, pathlen 0.
absl::StatusOr<CaMaterial> MakeCa(absl::string_view common_name, absl::Duration lifetime,
                                  absl::Time now);
// A new key pair and a CSR for it.
absl::StatusOr<KeyAndCsr> MakeKeyAndCsr(absl::string_view common_name);

struct IssueOptions {
  Identity identity;
  absl::Duration lifetime = absl::Hours(24);
  bool server = false;  // EKU serverAuth and the DNS SAN besides clientAuth
  absl::Time now;
  // With `server`: names and addresses besides, for clients that know none of our DNS names
  // ("gateway.example.org", "192.0.2.1"). INVALID_ARGUMENT: one is neither.
  std::vector<std::string> names;
};
// A certificate for the CSR's public key alone: names, extensions and CA flags of the CSR are
// ignored. INVALID_ARGUMENT when the CSR is malformed, its signature does not verify, or the key is
// weak (not P-256/P-384 and not RSA >= 2048). The chain is leaf + CA.
absl::StatusOr<std::string> Issue(const CaMaterial& ca, const std::string& csr_pem,
                                  const IssueOptions& options);

// SHA-256 of the DER of the first certificate in `pem`, lower-case hex: the CA pin.
absl::StatusOr<std::string> CertificatePin(const std::string& pem);
// SHA-256 of the public key (SubjectPublicKeyInfo) of a CSR or certificate, lower-case hex.
absl::StatusOr<std::string> PublicKeyHash(const std::string& csr_or_certificate_pem);
// When the first certificate in `pem` ends.
absl::StatusOr<absl::Time> NotAfter(const std::string& pem);

}  // namespace godwit::rpc

// A text with the signature of a service and the certificates that say who signed: a file that
// anybody who has the installation's CA certificate can check, offline and years later.
// docs/verification.md shows how to check it by openssl.
//
//   {"report": <the text, base64>, "signature": <base64>, "certificates": <PEM, leaf first>}
//
// The text is a JSON object; its "end_time" (RFC 3339) is when it was signed: certificates must
// have been valid then. The signature is ECDSA or RSA (PKCS #1 v1.5) over SHA-256 of the text's
// bytes. Thread-safe: no state.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/identity.h"

namespace godwit::rpc {

inline constexpr std::size_t kMostReportFileBytes = 1 << 20;

struct SignedReport {
  std::string text;                // what was signed, byte for byte
  Identity signer;                 // as the certificate says
  std::string certificate_sha256;  // of its DER, lower-case hex
  absl::Time end_time;             // of the text
};

// The file. The outcome was verified against `tls.ca` with the identity of the own certificate: a
// key that does not belong to it, or a certificate that is not valid at the text's end_time, is an
// error here and not at the reader's.
absl::StatusOr<std::string> SignReport(const std::string& text, const TlsMaterial& tls);

// INVALID_ARGUMENT: no such file, or too large. UNAUTHENTICATED: it does not prove what it says;
// the message says why. `ca_pem` may hold several certificates.
absl::StatusOr<SignedReport> VerifyReport(const std::string& file, const std::string& ca_pem,
                                          const Identity& signer);

}  // namespace godwit::rpc

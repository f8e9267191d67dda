// A CA of a test's own and certificates for any principal.
#pragma once

#include <string>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "services/common/base/check.h"
#include "services/common/base/file.h"
#include "services/common/rpc/ca.h"
#include "services/common/rpc/channel.h"

namespace godwit::testing {

class TestPki {
 public:
  // Key and certificate for "agent/s-...", "service/jobs", "user/admin/alice"; good for servers and
  // clients.
  rpc::TlsMaterial Issue(absl::string_view principal,
                         absl::Duration lifetime = absl::Hours(1)) const {
    const rpc::KeyAndCsr pair = *rpc::MakeKeyAndCsr(principal);
    const absl::StatusOr<std::string> chain =
        rpc::Issue(ca_, pair.csr_pem,
                   {.identity = *rpc::ParsePrincipal(principal),
                    .lifetime = lifetime,
                    .server = !absl::StartsWith(principal, "user/"),
                    .now = absl::Now()});
    GODWIT_CHECK(chain.ok());
    return {.certificate_chain = *chain,
            .private_key = pair.private_key_pem,
            .ca = ca_.certificate_pem};
  }

  // The same as files tls.crt, tls.key and ca.crt in `dir`, as --tls-dir expects them.
  void Write(absl::string_view principal, const std::string& dir) const {
    const rpc::TlsMaterial tls = Issue(principal);
    GODWIT_CHECK(MakeDirs(dir).ok());
    GODWIT_CHECK(WriteFileAtomically(dir + "/tls.crt", tls.certificate_chain).ok());
    GODWIT_CHECK(WriteFileAtomically(dir + "/tls.key", tls.private_key).ok());
    GODWIT_CHECK(WriteFileAtomically(dir + "/ca.crt", tls.ca).ok());
  }

  const rpc::CaMaterial& ca() const { return ca_; }

 private:
  const rpc::CaMaterial ca_ = *rpc::MakeCa("Godwit test CA", absl::Hours(24), absl::Now());
};

}  // namespace godwit::testing

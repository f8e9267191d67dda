#include "services/common/rpc/ca.h"

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "services/common/rpc/openssl_util.h"
#include "tests/support/status_matchers.h"

namespace godwit::rpc {
namespace {

using ::godwit::testing::StatusIs;

class CaTest : public ::testing::Test {
 protected:
  IssueOptions Options(absl::string_view principal, bool server) {
    return {.identity = *ParsePrincipal(principal),
            .lifetime = absl::Hours(24),
            .server = server,
            .now = now_};
  }
  const absl::Time now_ = absl::Now();
  const CaMaterial ca_ = *MakeCa("Godwit test CA", absl::Hours(24 * 365), now_);
};

TEST_F(CaTest, IssuesForTheKeyOfTheCsrAndTheNamedIdentityAlone) {
  ASSERT_OK_AND_ASSIGN(const KeyAndCsr pair, MakeKeyAndCsr("CN=somebody-else"));
  ASSERT_OK_AND_ASSIGN(const std::string chain,
                       Issue(ca_, pair.csr_pem, Options("agent/s-0123456789abcdef0", false)));
  EXPECT_EQ(*PublicKeyHash(chain), *PublicKeyHash(pair.csr_pem));
  ASSERT_OK_AND_ASSIGN(const absl::Time end, NotAfter(chain));
  EXPECT_LE(absl::AbsDuration(end - (now_ + absl::Hours(24))), absl::Seconds(2));
  const X509Ptr leaf(PEM_read_bio_X509(ReadBio(chain).get(), nullptr, nullptr, nullptr));
  EXPECT_EQ(X509_check_ca(leaf.get()), 0);
  EXPECT_EQ(X509_check_host(leaf.get(), "s-0123456789abcdef0.agent.godwit.internal", 0, 0, nullptr),
            0);
  EXPECT_TRUE(absl::EndsWith(chain, ca_.certificate_pem));
}

TEST_F(CaTest, ServerCertificatesCarryTheDnsName) {
  ASSERT_OK_AND_ASSIGN(const KeyAndCsr pair, MakeKeyAndCsr("x"));
  ASSERT_OK_AND_ASSIGN(const std::string chain,
                       Issue(ca_, pair.csr_pem, Options("service/jobs", true)));
  const X509Ptr leaf(PEM_read_bio_X509(ReadBio(chain).get(), nullptr, nullptr, nullptr));
  EXPECT_EQ(X509_check_host(leaf.get(), "jobs.service.godwit.internal", 0, 0, nullptr), 1);
}

TEST_F(CaTest, ServersMayHaveMoreNames) {
  ASSERT_OK_AND_ASSIGN(const KeyAndCsr pair, MakeKeyAndCsr("x"));
  IssueOptions options = Options("service/gateway", true);
  options.names = {"gateway.example.org", "192.0.2.1", "2001:db8::1", "*.mgn.example.org"};
  ASSERT_OK_AND_ASSIGN(const std::string chain, Issue(ca_, pair.csr_pem, options));
  const X509Ptr leaf(PEM_read_bio_X509(ReadBio(chain).get(), nullptr, nullptr, nullptr));
  for (const char* name :
       {"gateway.service.godwit.internal", "gateway.example.org", "us.mgn.example.org"}) {
    EXPECT_EQ(X509_check_host(leaf.get(), name, 0, 0, nullptr), 1) << name;
  }
  EXPECT_EQ(X509_check_host(leaf.get(), "other.example.org", 0, 0, nullptr), 0);
  EXPECT_EQ(X509_check_ip_asc(leaf.get(), "192.0.2.1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(leaf.get(), "2001:db8::1", 0), 1);
  for (const char* wrong : {"", "a b", "x,URI:spiffe://godwit/user/admin/eve", ".x", "a:1", "é"}) {
    options.names = {wrong};
    EXPECT_THAT(Issue(ca_, pair.csr_pem, options),
                StatusIs(absl::StatusCode::kInvalidArgument, "neither"))
        << wrong;
  }
}

TEST_F(CaTest, RefusesBadRequests) {
  EXPECT_THAT(Issue(ca_, "", Options("agent/a", false)),
              StatusIs(absl::StatusCode::kInvalidArgument, "csr_pem"));
  EXPECT_THAT(Issue(ca_, std::string(20'000, 'x'), Options("agent/a", false)),
              StatusIs(absl::StatusCode::kInvalidArgument, "larger"));
  const KeyPtr weak(EVP_RSA_gen(1024));
  const ReqPtr csr(X509_REQ_new());
  X509_REQ_set_pubkey(csr.get(), weak.get());
  X509_REQ_sign(csr.get(), weak.get(), EVP_sha256());
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_REQ(bio.get(), csr.get());
  EXPECT_THAT(Issue(ca_, Text(bio.get()), Options("agent/a", false)),
              StatusIs(absl::StatusCode::kInvalidArgument, "2048"));
}

TEST_F(CaTest, RefusesARequestSignedWithAnotherKey) {
  const KeyPtr own(EVP_EC_gen("P-256")), other(EVP_EC_gen("P-256"));
  const ReqPtr csr(X509_REQ_new());
  X509_REQ_set_pubkey(csr.get(), own.get());
  X509_REQ_sign(csr.get(), other.get(), EVP_sha256());
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_REQ(bio.get(), csr.get());
  EXPECT_THAT(Issue(ca_, Text(bio.get()), Options("agent/a", false)),
              StatusIs(absl::StatusCode::kInvalidArgument, "signature"));
}

TEST_F(CaTest, PinIsStable) {
  EXPECT_EQ(*CertificatePin(ca_.certificate_pem), *CertificatePin(ca_.certificate_pem));
  EXPECT_EQ(CertificatePin(ca_.certificate_pem)->size(), 64u);
  EXPECT_THAT(CertificatePin("nothing"),
              StatusIs(absl::StatusCode::kInvalidArgument, "certificate"));
}

}  // namespace
}  // namespace godwit::rpc

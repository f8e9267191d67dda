// What is signed is proved; whatever is changed is found.
#include "services/common/rpc/signed_report.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "services/common/base/json_log.h"
#include "services/common/rpc/openssl_util.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_pki.h"

namespace godwit::rpc {
namespace {

using ::godwit::testing::StatusIs;
using ::godwit::testing::TestPki;

class SignedReportTest : public ::testing::Test {
 protected:
  static std::string Text(absl::Time end, absl::string_view hash = "ab12") {
    return absl::StrCat("{\n  \"root_hash\": \"", hash, "\",\n  \"end_time\": \"",
                        absl::FormatTime(absl::RFC3339_full, end, absl::UTCTimeZone()), "\"\n}\n");
  }
  // The file as its parts make it, signed or not.
  static std::string File(absl::string_view text, absl::string_view signature,
                          absl::string_view certificates) {
    return absl::StrCat("{\"report\": \"", absl::Base64Escape(text), "\", \"signature\": \"",
                        absl::Base64Escape(signature), "\", \"certificates\": \"",
                        JsonEscape(certificates), "\"}");
  }
  static std::string SignatureOf(const std::string& file) {
    const std::string key = "\"signature\": \"";
    const std::size_t at = file.find(key) + key.size();
    std::string out;
    EXPECT_TRUE(absl::Base64Unescape(file.substr(at, file.find('"', at) - at), &out));
    return out;
  }
  absl::StatusOr<SignedReport> Verify(const std::string& file) const {
    return VerifyReport(file, pki_.ca().certificate_pem, signer_);
  }

  const TestPki pki_;
  const Identity signer_ = *ParsePrincipal("service/replication");
  const TlsMaterial tls_ = pki_.Issue("service/replication");
  const std::string text_ = Text(absl::Now());
};

TEST_F(SignedReportTest, SaysWhatWasSignedAndByWhom) {
  ASSERT_OK_AND_ASSIGN(const std::string file, SignReport(text_, tls_));
  ASSERT_OK_AND_ASSIGN(const SignedReport report, Verify(file));
  EXPECT_EQ(report.text, text_);
  EXPECT_EQ(report.signer.Principal(), "service/replication");
  EXPECT_EQ(report.certificate_sha256, *CertificatePin(tls_.certificate_chain));
  EXPECT_LE(absl::AbsDuration(report.end_time - absl::Now()), absl::Minutes(1));
}

TEST_F(SignedReportTest, RsaKeysSignToo) {
  const KeyPtr key(EVP_RSA_gen(2048));
  const ReqPtr csr(X509_REQ_new());
  ASSERT_EQ(X509_REQ_set_pubkey(csr.get(), key.get()), 1);
  ASSERT_NE(X509_REQ_sign(csr.get(), key.get(), EVP_sha256()), 0);
  const BioPtr request(BIO_new(BIO_s_mem())), pem(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_REQ(request.get(), csr.get());
  PEM_write_bio_PrivateKey(pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  ASSERT_OK_AND_ASSIGN(const std::string chain, Issue(pki_.ca(), rpc::Text(request.get()),
                                                      {.identity = signer_, .now = absl::Now()}));
  ASSERT_OK_AND_ASSIGN(const std::string file,
                       SignReport(text_, {.certificate_chain = chain,
                                          .private_key = rpc::Text(pem.get()),
                                          .ca = pki_.ca().certificate_pem}));
  EXPECT_OK(Verify(file));
}

TEST_F(SignedReportTest, EveryChangedByteOfTextOrSignatureIsFound) {
  ASSERT_OK_AND_ASSIGN(const std::string file, SignReport(text_, tls_));
  const std::string signature = SignatureOf(file);
  ASSERT_OK(Verify(File(text_, signature, tls_.certificate_chain)));
  for (std::size_t i = 0; i < text_.size(); ++i) {
    std::string changed = text_;
    changed[i] ^= 1;
    EXPECT_THAT(Verify(File(changed, signature, tls_.certificate_chain)),
                StatusIs(absl::StatusCode::kUnauthenticated, "was changed"))
        << i;
  }
  for (std::size_t i = 0; i < signature.size(); ++i) {
    std::string changed = signature;
    changed[i] ^= 1;
    EXPECT_FALSE(Verify(File(text_, changed, tls_.certificate_chain)).ok()) << i;
  }
  for (const std::string& other : {text_ + " ", text_.substr(1), Text(absl::Now(), "ab13")}) {
    EXPECT_THAT(Verify(File(other, signature, tls_.certificate_chain)),
                StatusIs(absl::StatusCode::kUnauthenticated, "was changed"));
  }
}

TEST_F(SignedReportTest, OnlyTheNamedServiceOfThisInstallationCounts) {
  // The certificate of somebody else, over the true signature.
  ASSERT_OK_AND_ASSIGN(const std::string file, SignReport(text_, tls_));
  const TlsMaterial twin = pki_.Issue("service/replication");
  EXPECT_THAT(Verify(File(text_, SignatureOf(file), twin.certificate_chain)),
              StatusIs(absl::StatusCode::kUnauthenticated, "was changed"));
  // Others who have a certificate of the CA.
  for (const char* principal :
       {"service/registry", "worker/w-00000000000000001", "agent/s-00000000000000001",
        "user/admin/alice", "worker/replication"}) {
    ASSERT_OK_AND_ASSIGN(const std::string theirs, SignReport(text_, pki_.Issue(principal)));
    EXPECT_THAT(Verify(theirs), StatusIs(absl::StatusCode::kUnauthenticated, principal));
  }
  // Another CA of the same name, also when the file brings it along.
  const TestPki other;
  ASSERT_OK_AND_ASSIGN(const std::string foreign,
                       SignReport(text_, other.Issue("service/replication")));
  EXPECT_THAT(Verify(foreign), StatusIs(absl::StatusCode::kUnauthenticated, "not of this CA"));
  EXPECT_OK(VerifyReport(foreign, pki_.ca().certificate_pem + other.ca().certificate_pem, signer_));
  // The CA itself is no service.
  const TlsMaterial ca = {.certificate_chain = pki_.ca().certificate_pem,
                          .private_key = pki_.ca().private_key_pem,
                          .ca = pki_.ca().certificate_pem};
  EXPECT_THAT(SignReport(text_, ca), StatusIs(absl::StatusCode::kUnauthenticated, "of a CA"));
}

TEST_F(SignedReportTest, CertificatesAreJudgedAtTheEndTime) {
  // Valid from five minutes ago for an hour.
  EXPECT_THAT(SignReport(Text(absl::Now() - absl::Hours(1)), tls_),
              StatusIs(absl::StatusCode::kUnauthenticated, "not valid at"));
  EXPECT_THAT(SignReport(Text(absl::Now() + absl::Hours(2)), tls_),
              StatusIs(absl::StatusCode::kUnauthenticated, "not valid at"));
  // Long over by now, but good when it signed.
  const absl::Time then = absl::Now() - absl::Hours(48);
  const CaMaterial ca = *MakeCa("Godwit test CA", absl::Hours(72), then);
  const KeyAndCsr pair = *MakeKeyAndCsr("replication");
  ASSERT_OK_AND_ASSIGN(const std::string chain,
                       Issue(ca, pair.csr_pem, {.identity = signer_, .now = then}));
  ASSERT_OK_AND_ASSIGN(const std::string file,
                       SignReport(Text(then + absl::Hours(1)), {.certificate_chain = chain,
                                                                .private_key = pair.private_key_pem,
                                                                .ca = ca.certificate_pem}));
  EXPECT_OK(VerifyReport(file, ca.certificate_pem, signer_));
}

TEST_F(SignedReportTest, AKeyThatIsNotOfTheCertificateIsFoundWhenSigning) {
  TlsMaterial mixed = tls_;
  mixed.private_key = pki_.Issue("service/replication").private_key;
  EXPECT_FALSE(SignReport(text_, mixed).ok());
  mixed.private_key = "";
  EXPECT_FALSE(SignReport(text_, mixed).ok());
}

TEST_F(SignedReportTest, RefusesWhatIsNoSuchFile) {
  ASSERT_OK_AND_ASSIGN(const std::string file, SignReport(text_, tls_));
  const auto refused = [&](const std::string& text, const std::string& why) {
    EXPECT_THAT(Verify(text), StatusIs(absl::StatusCode::kInvalidArgument, why));
  };
  for (std::size_t size = 0; size < file.size() - 2; size += 7) {
    refused(file.substr(0, size), "not a signed report");
  }
  refused("[]", "object");
  refused("{\"report\": 1}", "no text");
  refused(absl::StrReplaceAll(file, {{"\"signature\"", "\"other\""}}), "unknown field");
  refused(absl::StrReplaceAll(file, {{"\"report\": \"", "\"report\": \"!"}}), "base64");
  refused(File("", "x", tls_.certificate_chain), "empty");
  refused(File(text_, std::string(3000, 'x'), tls_.certificate_chain), "longer than");
  refused(File(text_, "x", ""), "certificates");
  refused(File(text_, "x", tls_.certificate_chain.substr(0, 200)), "certificates");
  std::string many;
  for (int i = 0; i < 9; ++i) absl::StrAppend(&many, pki_.ca().certificate_pem);
  refused(File(text_, "x", many), "more than 8");
  refused(std::string(kMostReportFileBytes + 1, ' '), "1 MiB");
  EXPECT_THAT(VerifyReport(file, "no certificate", signer_),
              StatusIs(absl::StatusCode::kInvalidArgument, "CA"));
  for (const char* bad : {"no JSON", "{}", "{\"end_time\": 7}", "{\"end_time\": \"yesterday\"}"}) {
    EXPECT_THAT(SignReport(bad, tls_), StatusIs(absl::StatusCode::kInvalidArgument, "report"));
  }
}

}  // namespace
}  // namespace godwit::rpc

#include "services/common/rpc/certificate_life.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/openssl_util.h"

namespace godwit::rpc {
namespace {

absl::StatusOr<absl::Time> ToTime(const ASN1_TIME* time) {
  tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return SslError("certificate time");
  return absl::FromTM(parts, absl::UTCTimeZone());
}

std::string Text(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
}

}  // namespace

absl::StatusOr<CertificateLife> LifeOf(const std::string& pem) {
  const BioPtr bio = ReadBio(pem);
  const X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) {
    return SslError("the certificate cannot be read", absl::StatusCode::kInvalidArgument);
  }
  CertificateLife life;
  ASSIGN_OR_RETURN(life.begin, ToTime(X509_get0_notBefore(certificate.get())));
  ASSIGN_OR_RETURN(life.end, ToTime(X509_get0_notAfter(certificate.get())));
  return life;
}

absl::Status CheckLife(const std::string& pem, absl::string_view path, absl::string_view remedy,
                       absl::Time now) {
  ASSIGN_OR_RETURN(const CertificateLife life, LifeOf(pem));
  if (now > life.end) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, ": the certificate ended at ", Text(life.end), ", nobody accepts it: ", remedy));
  }
  if (now < life.begin) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": the certificate begins at ", Text(life.begin),
                     ", and this host's clock says ", Text(now), ": set the clock right"));
  }
  return absl::OkStatus();
}

std::string IssueAnew(absl::string_view folder) {
  return absl::StrCat(
      "replace it with a new one (godwit-registry ca-issue --identity KIND/ID --out ", folder,
      "); running services take it without a restart");
}

}  // namespace godwit::rpc

#include "services/common/rpc/signed_report.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <openssl/err.h>

#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/ca.h"
#include "services/common/rpc/openssl_util.h"

namespace godwit::rpc {
namespace {

constexpr std::size_t kMostSignatureBytes = 2048;
constexpr std::size_t kMostCertificates = 8;
constexpr std::size_t kMostPemBytes = 64 << 10;
constexpr int kSecurityLevel = 2;  // 112 bits: no RSA below 2048, no SHA-1
constexpr absl::string_view kFields[] = {"report", "signature", "certificates"};

using DigestPtr = std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>>;
using StorePtr = std::unique_ptr<X509_STORE, Free<X509_STORE_free>>;
using StoreContextPtr = std::unique_ptr<X509_STORE_CTX, Free<X509_STORE_CTX_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;
struct FreeStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};

absl::Status Malformed(absl::string_view why) {
  ERR_clear_error();
  return absl::InvalidArgumentError(absl::StrCat("not a signed report: ", why));
}
absl::Status NotProved(absl::string_view why) {
  ERR_clear_error();
  return absl::UnauthenticatedError(why);
}

absl::StatusOr<google::protobuf::Struct> ParseObject(const std::string& json) {
  google::protobuf::Struct out;
  if (!google::protobuf::util::JsonStringToMessage(json, &out).ok()) {
    return Malformed("no JSON object");
  }
  return out;
}

absl::StatusOr<std::string> TextField(const google::protobuf::Struct& object,
                                      absl::string_view name) {
  const auto found = object.fields().find(std::string(name));
  if (found == object.fields().end() || !found->second.has_string_value()) {
    return Malformed(absl::StrCat("it has no text \"", name, "\""));
  }
  return found->second.string_value();
}

absl::StatusOr<std::string> BytesField(const google::protobuf::Struct& object,
                                       absl::string_view name, std::size_t most) {
  ASSIGN_OR_RETURN(const std::string text, TextField(object, name));
  std::string out;
  if (!absl::Base64Unescape(text, &out)) return Malformed(absl::StrCat(name, " is no base64"));
  if (out.empty() || out.size() > most) {
    return Malformed(absl::StrCat(name, " is empty or longer than ", most, " bytes"));
  }
  return out;
}

absl::StatusOr<std::vector<X509Ptr>> ReadCertificates(absl::string_view what,
                                                      const std::string& pem) {
  if (pem.size() > kMostPemBytes) return Malformed(absl::StrCat(what, ": too long"));
  std::vector<X509Ptr> out;
  const BioPtr bio = ReadBio(pem);
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    out.emplace_back(next);
    if (out.size() > kMostCertificates) {
      return Malformed(absl::StrCat(what, ": more than ", kMostCertificates));
    }
  }
  const bool at_the_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (out.empty() || !at_the_end) return Malformed(absl::StrCat(what, ": no PEM certificates"));
  return out;
}

absl::StatusOr<absl::Time> EndTime(const std::string& text) {
  ASSIGN_OR_RETURN(const google::protobuf::Struct object, ParseObject(text));
  ASSIGN_OR_RETURN(const std::string written, TextField(object, "end_time"));
  absl::Time out;
  if (!absl::ParseTime(absl::RFC3339_full, written, &out, nullptr) || out < absl::UnixEpoch() ||
      out > absl::FromCivil(absl::CivilYear(9999), absl::UTCTimeZone())) {
    return Malformed("end_time is no time");
  }
  return out;
}

absl::Status CheckSignature(EVP_PKEY* key, const std::string& text, const std::string& signature) {
  const DigestPtr digest(EVP_MD_CTX_new());
  const int type = key == nullptr ? EVP_PKEY_NONE : EVP_PKEY_get_base_id(key);
  if (type != EVP_PKEY_EC && type != EVP_PKEY_RSA) {
    return NotProved("the signer's key is neither EC nor RSA");
  }
  if (digest == nullptr ||
      EVP_DigestVerifyInit(digest.get(), nullptr, EVP_sha256(), nullptr, key) != 1) {
    return SslError("signature");
  }
  if (EVP_DigestVerify(digest.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                       signature.size(), reinterpret_cast<const unsigned char*>(text.data()),
                       text.size()) != 1) {
    return NotProved(
        "the signature is not of this report and this certificate: one of them was changed");
  }
  return absl::OkStatus();
}

// Also that the leaf was valid at `time`.
absl::Status CheckChain(const std::vector<X509Ptr>& chain, const std::vector<X509Ptr>& roots,
                        absl::Time time) {
  const StorePtr store(X509_STORE_new());
  const StoreContextPtr context(X509_STORE_CTX_new());
  const std::unique_ptr<STACK_OF(X509), FreeStack> others(sk_X509_new_null());
  if (store == nullptr || context == nullptr || others == nullptr) return SslError("chain");
  for (const X509Ptr& root : roots) X509_STORE_add_cert(store.get(), root.get());
  for (std::size_t i = 1; i < chain.size(); ++i) sk_X509_push(others.get(), chain[i].get());
  if (X509_STORE_CTX_init(context.get(), store.get(), chain[0].get(), others.get()) != 1) {
    return SslError("chain");
  }
  X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(rules, absl::ToTimeT(time));
  X509_VERIFY_PARAM_set_auth_level(rules, kSecurityLevel);
  const int verified = X509_verify_cert(context.get());
  const int error = X509_STORE_CTX_get_error(context.get());
  ERR_clear_error();
  if (verified == 1) return absl::OkStatus();
  const std::string at = absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone());
  if (error == X509_V_ERR_CERT_NOT_YET_VALID || error == X509_V_ERR_CERT_HAS_EXPIRED) {
    return NotProved(absl::StrCat("the signer's certificate was not valid at ", at,
                                  ", the end time of the report"));
  }
  return NotProved(absl::StrCat("the signer's certificate is not of this CA: ",
                                X509_verify_cert_error_string(error)));
}

absl::StatusOr<Identity> IdentityOf(X509* leaf) {
  if (X509_check_ca(leaf) != 0) return NotProved("the signer's certificate is one of a CA");
  if ((X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) == 0) {
    return NotProved("the signer's certificate is not for signatures");
  }
  const NamesPtr names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> uris;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                      static_cast<std::size_t>(ASN1_STRING_length(uri)));
  }
  if (uris.size() != 1) return NotProved("the signer's certificate must name exactly one identity");
  return ParseIdentityUri(uris.front());
}

absl::StatusOr<std::string> Sign(const std::string& text, const std::string& private_key) {
  const KeyPtr key(PEM_read_bio_PrivateKey(ReadBio(private_key).get(), nullptr, nullptr, nullptr));
  const DigestPtr digest(EVP_MD_CTX_new());
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t size = 0;
  if (key == nullptr || digest == nullptr ||
      EVP_DigestSignInit(digest.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1 ||
      EVP_DigestSign(digest.get(), nullptr, &size, bytes, text.size()) != 1) {
    return SslError("signing the report");
  }
  std::string out(size, '\0');
  if (EVP_DigestSign(digest.get(), reinterpret_cast<unsigned char*>(out.data()), &size, bytes,
                     text.size()) != 1) {
    return SslError("signing the report");
  }
  out.resize(size);
  return out;
}

}  // namespace

absl::StatusOr<std::string> SignReport(const std::string& text, const TlsMaterial& tls) {
  ASSIGN_OR_RETURN(const std::string signature, Sign(text, tls.private_key));
  const std::string values[] = {absl::Base64Escape(text), absl::Base64Escape(signature),
                                JsonEscape(tls.certificate_chain)};
  std::string file = "{";
  for (std::size_t i = 0; i < std::size(kFields); ++i) {
    absl::StrAppend(&file, i == 0 ? "\n" : ",\n", "  \"", kFields[i], "\": \"", values[i], "\"");
  }
  absl::StrAppend(&file, "\n}\n");
  ASSIGN_OR_RETURN(const auto chain, ReadCertificates("certificates", tls.certificate_chain));
  ASSIGN_OR_RETURN(const Identity self, IdentityOf(chain[0].get()));
  RETURN_IF_ERROR(VerifyReport(file, tls.ca, self));
  return file;
}

absl::StatusOr<SignedReport> VerifyReport(const std::string& file, const std::string& ca_pem,
                                          const Identity& signer) {
  if (file.size() > kMostReportFileBytes) return Malformed("larger than 1 MiB");
  ASSIGN_OR_RETURN(const google::protobuf::Struct object, ParseObject(file));
  for (const auto& [name, value] : object.fields()) {
    if (!absl::c_linear_search(kFields, name)) {
      return Malformed(
          absl::StrCat("unknown field \"", absl::CHexEscape(name.substr(0, 64)), "\""));
    }
  }
  SignedReport out;
  ASSIGN_OR_RETURN(out.text, BytesField(object, kFields[0], kMostReportFileBytes));
  ASSIGN_OR_RETURN(const std::string signature,
                   BytesField(object, kFields[1], kMostSignatureBytes));
  ASSIGN_OR_RETURN(const std::string pem, TextField(object, kFields[2]));
  ASSIGN_OR_RETURN(const std::vector<X509Ptr> chain, ReadCertificates(kFields[2], pem));
  ASSIGN_OR_RETURN(const std::vector<X509Ptr> roots, ReadCertificates("CA", ca_pem));

  RETURN_IF_ERROR(CheckSignature(X509_get0_pubkey(chain[0].get()), out.text, signature));
  ASSIGN_OR_RETURN(out.end_time, EndTime(out.text));
  RETURN_IF_ERROR(CheckChain(chain, roots, out.end_time));
  ASSIGN_OR_RETURN(out.signer, IdentityOf(chain[0].get()));
  if (out.signer.Uri() != signer.Uri()) {
    return NotProved(
        absl::StrCat("signed by ", out.signer.Principal(), ", not by ", signer.Principal()));
  }
  ASSIGN_OR_RETURN(out.certificate_sha256, CertificatePin(ToPem(chain[0].get())));
  return out;
}

}  // namespace godwit::rpc

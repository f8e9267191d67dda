#include "services/common/rpc/ca.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/openssl_util.h"

namespace godwit::rpc {
namespace {

constexpr absl::Duration kBackdate = absl::Minutes(5);  // for clocks that are a little behind
constexpr std::size_t kMaxCsrBytes = 16 * 1024;

KeyPtr NewKey() { return KeyPtr(EVP_EC_gen("P-256")); }

std::string KeyPem(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return Text(bio.get());
}

absl::StatusOr<X509Ptr> ReadCertificate(const std::string& pem) {
  X509Ptr certificate(PEM_read_bio_X509(ReadBio(pem).get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) return SslError("certificate", absl::StatusCode::kInvalidArgument);
  return certificate;
}

absl::StatusOr<ReqPtr> ReadCsr(const std::string& pem) {
  if (pem.size() > kMaxCsrBytes) return absl::InvalidArgumentError("csr_pem: larger than 16 KiB");
  ReqPtr csr(PEM_read_bio_X509_REQ(ReadBio(pem).get(), nullptr, nullptr, nullptr));
  if (csr == nullptr) {
    ERR_clear_error();
    return absl::InvalidArgumentError("csr_pem: not a PEM certificate request");
  }
  return csr;
}

// A name or address as OpenSSL writes it in an extension. Nothing else may get there.
absl::StatusOr<std::string> AlternativeName(const std::string& name) {
  std::array<unsigned char, 16> bytes{};
  if (inet_pton(AF_INET, name.c_str(), bytes.data()) == 1 ||
      inet_pton(AF_INET6, name.c_str(), bytes.data()) == 1) {
    return absl::StrCat("IP:", name);
  }
  const bool plain = !name.empty() && name.size() <= 253 && name.front() != '.' &&
                     std::all_of(name.begin(), name.end(), [](char c) {
                       return absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '*';
                     });
  if (!plain) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", name, "\" is neither a DNS name nor an IP address"));
  }
  return absl::StrCat("DNS:", name);
}

// OK for P-256, P-384 and RSA of 2048 to 8192 bits.
absl::Status CheckKeyStrength(EVP_PKEY* key) {
  const int bits = EVP_PKEY_get_bits(key);
  const int type = EVP_PKEY_get_base_id(key);
  std::array<char, 64> group{};
  if (type == EVP_PKEY_EC &&
      EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) == 1) {
    const absl::string_view name = group.data();
    if (name == "prime256v1" || name == "P-256" || name == "secp384r1" || name == "P-384") {
      return absl::OkStatus();
    }
  }
  if (type == EVP_PKEY_RSA && bits >= 2048 && bits <= 8192) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "csr_pem: the key must be ECDSA P-256 or P-384, or RSA of 2048 to 8192 bits");
}

absl::Status AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  if (extension == nullptr || X509_add_ext(certificate, extension.get(), -1) != 1) {
    return SslError(absl::StrCat("extension ", value));
  }
  return absl::OkStatus();
}

struct Body {
  EVP_PKEY* public_key;
  std::string common_name;
  absl::Time not_before, not_after;
};

// Everything of a certificate but extensions and signature. Issuer is set by the caller.
absl::StatusOr<X509Ptr> MakeBody(const Body& body) {
  X509Ptr certificate(X509_new());
  std::array<std::uint8_t, 16> serial_bytes{};
  RandomBytes(serial_bytes);
  serial_bytes[0] &= 0x7f;  // positive
  const std::unique_ptr<BIGNUM, Free<BN_free>> serial(
      BN_bin2bn(serial_bytes.data(), serial_bytes.size(), nullptr));
  const bool good =
      certificate != nullptr && serial != nullptr && X509_set_version(certificate.get(), 2) == 1 &&
      BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate.get())) != nullptr &&
      ASN1_TIME_set(X509_getm_notBefore(certificate.get()), absl::ToTimeT(body.not_before)) !=
          nullptr &&
      ASN1_TIME_set(X509_getm_notAfter(certificate.get()), absl::ToTimeT(body.not_after)) !=
          nullptr &&
      X509_set_pubkey(certificate.get(), body.public_key) == 1 &&
      X509_NAME_add_entry_by_txt(
          X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
          reinterpret_cast<const unsigned char*>(body.common_name.data()),
          static_cast<int>(std::min<std::size_t>(body.common_name.size(), 64)), -1, 0) == 1;
  if (!good) return SslError("certificate");
  return certificate;
}

}  // namespace

absl::Status SslError(absl::string_view what, absl::StatusCode code) {
  std::array<char, 256> text{};
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  if (error == 0) return absl::Status(code, absl::StrCat(what, ": failed or timed out"));
  ERR_error_string_n(error, text.data(), text.size());
  return absl::Status(code, absl::StrCat(what, ": ", text.data()));
}

BioPtr ReadBio(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string Text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size <= 0 ? "" : std::string(data, static_cast<std::size_t>(size));
}

std::string Sha256Hex(const unsigned char* data, std::size_t size) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(data, size, digest.data());
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
}

std::string ToPem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return Text(bio.get());
}

absl::StatusOr<CaMaterial> MakeCa(absl::string_view common_name, absl::Duration lifetime,
                                  absl::Time now) {
  const KeyPtr key = NewKey();
  if (key == nullptr) return SslError("CA key");
  ASSIGN_OR_RETURN(const X509Ptr certificate, MakeBody({.public_key = key.get(),
                                                        .common_name = std::string(common_name),
                                                        .not_before = now - kBackdate,
                                                        .not_after = now + lifetime}));
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
  X509* self = certificate.get();
  RETURN_IF_ERROR(AddExtension(self, self, NID_basic_constraints, "critical,CA:TRUE,pathlen:0"));
  RETURN_IF_ERROR(AddExtension(self, self, NID_key_usage, "critical,keyCertSign,cRLSign"));
  RETURN_IF_ERROR(AddExtension(self, self, NID_subject_key_identifier, "hash"));
  if (X509_sign(self, key.get(), EVP_sha256()) == 0) return SslError("CA signature");
  return CaMaterial{.certificate_pem = ToPem(self), .private_key_pem = KeyPem(key.get())};
}

absl::StatusOr<KeyAndCsr> MakeKeyAndCsr(absl::string_view common_name) {
  const KeyPtr key = NewKey();
  const ReqPtr csr(X509_REQ_new());
  const std::string name(common_name.substr(0, 64));
  const bool good =
      key != nullptr && csr != nullptr && X509_REQ_set_version(csr.get(), 0) == 1 &&
      X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(csr.get()), "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(name.data()),
                                 static_cast<int>(name.size()), -1, 0) == 1 &&
      X509_REQ_set_pubkey(csr.get(), key.get()) == 1 &&
      X509_REQ_sign(csr.get(), key.get(), EVP_sha256()) != 0;
  if (!good) return SslError("certificate request");
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_REQ(bio.get(), csr.get());
  return KeyAndCsr{.private_key_pem = KeyPem(key.get()), .csr_pem = Text(bio.get())};
}

absl::StatusOr<std::string> Issue(const CaMaterial& ca, const std::string& csr_pem,
                                  const IssueOptions& options) {
  ASSIGN_OR_RETURN(const ReqPtr csr, ReadCsr(csr_pem));
  EVP_PKEY* public_key = X509_REQ_get0_pubkey(csr.get());
  if (public_key == nullptr) return SslError("csr_pem: key", absl::StatusCode::kInvalidArgument);
  RETURN_IF_ERROR(CheckKeyStrength(public_key));
  if (X509_REQ_verify(csr.get(), public_key) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError("csr_pem: its signature does not verify");
  }
  ASSIGN_OR_RETURN(const X509Ptr issuer, ReadCertificate(ca.certificate_pem));
  const KeyPtr ca_key(
      PEM_read_bio_PrivateKey(ReadBio(ca.private_key_pem).get(), nullptr, nullptr, nullptr));
  if (ca_key == nullptr) return SslError("CA key");

  ASSIGN_OR_RETURN(const X509Ptr leaf, MakeBody({.public_key = public_key,
                                                 .common_name = options.identity.Principal(),
                                                 .not_before = options.now - kBackdate,
                                                 .not_after = options.now + options.lifetime}));
  X509_set_issuer_name(leaf.get(), X509_get_subject_name(issuer.get()));
  X509* certificate = leaf.get();
  std::string names = absl::StrCat("URI:", options.identity.Uri());
  if (options.server) absl::StrAppend(&names, ",DNS:", options.identity.DnsName());
  for (const std::string& name : options.names) {
    ASSIGN_OR_RETURN(const std::string entry, AlternativeName(name));
    absl::StrAppend(&names, ",", entry);
  }
  RETURN_IF_ERROR(
      AddExtension(certificate, issuer.get(), NID_basic_constraints, "critical,CA:FALSE"));
  RETURN_IF_ERROR(
      AddExtension(certificate, issuer.get(), NID_key_usage, "critical,digitalSignature"));
  RETURN_IF_ERROR(AddExtension(certificate, issuer.get(), NID_ext_key_usage,
                               options.server ? "serverAuth,clientAuth" : "clientAuth"));
  RETURN_IF_ERROR(AddExtension(certificate, issuer.get(), NID_subject_alt_name, names));
  RETURN_IF_ERROR(AddExtension(certificate, issuer.get(), NID_authority_key_identifier, "keyid"));
  if (X509_sign(certificate, ca_key.get(), EVP_sha256()) == 0) return SslError("signature");
  return absl::StrCat(ToPem(certificate), ca.certificate_pem);
}

absl::StatusOr<std::string> CertificatePin(const std::string& pem) {
  ASSIGN_OR_RETURN(const X509Ptr certificate, ReadCertificate(pem));
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate.get(), &der);
  if (size <= 0) return SslError("certificate");
  std::string pin = Sha256Hex(der, static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return pin;
}

absl::StatusOr<std::string> PublicKeyHash(const std::string& pem) {
  KeyPtr key;
  if (pem.find("REQUEST-----") != std::string::npos) {
    ASSIGN_OR_RETURN(const ReqPtr csr, ReadCsr(pem));
    key.reset(X509_REQ_get_pubkey(csr.get()));
  } else {
    ASSIGN_OR_RETURN(const X509Ptr certificate, ReadCertificate(pem));
    key.reset(X509_get_pubkey(certificate.get()));
  }
  if (key == nullptr) return SslError("public key", absl::StatusCode::kInvalidArgument);
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key.get(), &der);
  if (size <= 0) return SslError("public key");
  std::string hash = Sha256Hex(der, static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return hash;
}

absl::StatusOr<absl::Time> NotAfter(const std::string& pem) {
  ASSIGN_OR_RETURN(const X509Ptr certificate, ReadCertificate(pem));
  tm parts{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &parts) != 1) {
    return SslError("certificate time");
  }
  return absl::FromTM(parts, absl::UTCTimeZone());
}

}  // namespace godwit::rpc

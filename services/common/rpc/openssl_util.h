// Owners for OpenSSL objects and its error queue as text.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace godwit::rpc {

template <auto Function>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    Function(object);
  }
};
using BioPtr = std::unique_ptr<BIO, Free<BIO_free_all>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using X509Ptr = std::unique_ptr<X509, Free<X509_free>>;
using ReqPtr = std::unique_ptr<X509_REQ, Free<X509_REQ_free>>;

// INTERNAL (or `code`) with "what: the oldest OpenSSL error"; empties the queue.
absl::Status SslError(absl::string_view what, absl::StatusCode code = absl::StatusCode::kInternal);

// A read-only BIO over `text`, which must outlive it.
BioPtr ReadBio(const std::string& text);
// What was written to a memory BIO.
std::string Text(BIO* bio);
// Lower-case hex SHA-256 of bytes.
std::string Sha256Hex(const unsigned char* data, std::size_t size);
std::string ToPem(X509* certificate);

}  // namespace godwit::rpc

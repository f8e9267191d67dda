#include "services/gateway/http/tls_contexts.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/context.hpp>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::gateway {
namespace {

namespace ssl = boost::asio::ssl;

absl::StatusOr<std::shared_ptr<ssl::context>> MakeContext(const std::string& certificate_file,
                                                          const std::string& key_file) {
  ASSIGN_OR_RETURN(const std::string certificate, ReadFile(certificate_file, 1 << 20));
  ASSIGN_OR_RETURN(const std::string key, ReadFile(key_file, 1 << 20));
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  boost::system::error_code error;
  context->set_options(ssl::context::default_workarounds | ssl::context::no_compression |
                           SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE,
                       error);
  if (SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION) != 1) {
    return absl::InternalError("OpenSSL does not know TLS 1.2");
  }
  context->use_certificate_chain(boost::asio::buffer(certificate), error);
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat(certificate_file, ": ", error.message()));
  }
  context->use_private_key(boost::asio::buffer(key), ssl::context::pem, error);
  if (error) return absl::InvalidArgumentError(absl::StrCat(key_file, ": ", error.message()));
  if (SSL_CTX_check_private_key(context->native_handle()) != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(key_file, " is not the key of ", certificate_file));
  }
  return context;
}

}  // namespace

TlsContexts::TlsContexts(std::string certificate_file, std::string key_file)
    : certificate_file_(std::move(certificate_file)), key_file_(std::move(key_file)) {}

absl::StatusOr<std::unique_ptr<TlsContexts>> TlsContexts::Load(const std::string& certificate_file,
                                                               const std::string& key_file) {
  std::unique_ptr<TlsContexts> contexts(new TlsContexts(certificate_file, key_file));
  absl::MutexLock lock(&contexts->mutex_);
  contexts->read_ = contexts->Modified();
  ASSIGN_OR_RETURN(contexts->current_, MakeContext(certificate_file, key_file));
  return contexts;
}

TlsContexts::Times TlsContexts::Modified() const {
  std::error_code gone;  // of a file that is gone the time is the least one
  return {std::filesystem::last_write_time(certificate_file_, gone),
          std::filesystem::last_write_time(key_file_, gone)};
}

std::shared_ptr<ssl::context> TlsContexts::Current() const {
  absl::MutexLock lock(&mutex_);
  return current_;
}

absl::StatusOr<bool> TlsContexts::Refresh() {
  const Times now = Modified();
  {
    absl::MutexLock lock(&mutex_);
    if (now == read_) return false;
  }
  absl::StatusOr<std::shared_ptr<ssl::context>> fresh = MakeContext(certificate_file_, key_file_);
  absl::MutexLock lock(&mutex_);
  if (!fresh.ok()) return fresh.status();  // tried again: the other file may be on its way
  read_ = now;
  current_ = *std::move(fresh);
  return true;
}

}  // namespace godwit::gateway

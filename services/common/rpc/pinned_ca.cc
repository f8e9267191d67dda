#include <openssl/err.h>

#include "services/common/base/status_macros.h"
#include "services/common/rpc/ca.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/openssl_util.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"

namespace godwit::rpc {
namespace {

using SslCtxPtr = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Free<SSL_free>>;

// A connected socket whose reads and writes give up after `timeout`.
absl::StatusOr<Fd> Connect(const std::string& endpoint, absl::Duration timeout) {
  const std::size_t colon = endpoint.rfind(':');
  if (colon == std::string::npos || colon == 0) {
    return absl::InvalidArgumentError(absl::StrCat("\"", endpoint, "\": must be HOST:PORT"));
  }
  std::string host = endpoint.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(host.c_str(), endpoint.c_str() + colon + 1, &hints, &found);
  if (code != 0) {
    return absl::UnavailableError(absl::StrCat(endpoint, ": ", gai_strerror(code)));
  }
  const std::unique_ptr<addrinfo, Free<freeaddrinfo>> owner(found);
  absl::Status last = absl::UnavailableError(absl::StrCat(endpoint, ": no address"));
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    Fd fd(socket(entry->ai_family, entry->ai_socktype | SOCK_CLOEXEC, entry->ai_protocol));
    if (!fd.valid()) continue;
    const timeval wait = absl::ToTimeval(timeout);
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);  // also bounds connect
    if (connect(fd.get(), entry->ai_addr, entry->ai_addrlen) == 0) return fd;
    last = absl::UnavailableError(ErrnoStatus(endpoint).message());
  }
  return last;
}

}  // namespace

absl::StatusOr<std::string> FetchPinnedCa(const std::string& endpoint, const std::string& pin_hex,
                                          absl::Duration timeout) {
  ASSIGN_OR_RETURN(const Fd fd, Connect(endpoint, timeout));
  const SslCtxPtr context(SSL_CTX_new(TLS_client_method()));
  if (context == nullptr) return SslError("TLS set-up");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  // The chain is judged by the pin below, and every later connection by the CA fetched here.
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  const SslPtr ssl(SSL_new(context.get()));
  static constexpr unsigned char kAlpn[] = {2, 'h', '2'};
  if (ssl == nullptr || SSL_set_fd(ssl.get(), fd.get()) != 1 ||
      SSL_set_alpn_protos(ssl.get(), kAlpn, sizeof kAlpn) != 0 || SSL_connect(ssl.get()) != 1) {
    return SslError(absl::StrCat("TLS with ", endpoint), absl::StatusCode::kUnavailable);
  }
  STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl.get());
  for (int i = 0; chain != nullptr && i < sk_X509_num(chain); ++i) {
    const std::string pem = ToPem(sk_X509_value(chain, i));
    ASSIGN_OR_RETURN(const std::string pin, CertificatePin(pem));
    if (pin == absl::AsciiStrToLower(pin_hex)) return pem;
  }
  return absl::UnauthenticatedError(
      absl::StrCat(endpoint, " shows no certificate with the CA pin ", pin_hex,
                   ": this is not the registry that made the token, or the pin is mistyped"));
}

}  // namespace godwit::rpc

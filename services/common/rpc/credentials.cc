#include "services/common/rpc/credentials.h"

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/tls_folder.h"

namespace godwit::rpc {
namespace {

using grpc::experimental::FileWatcherCertificateProvider;

constexpr unsigned kLookEverySeconds = 1;
ABSL_CONST_INIT absl::Mutex watchers_mutex(absl::kConstInit);

// gRPC's watcher reads key and certificate one after the other and takes what it finds, so it is
// given one file in memory that has both and that TlsFolder changes only as a whole.
struct Watcher {
  explicit Watcher(const TlsMaterial& tls)
      : folder(tls),
        provider(std::make_shared<FileWatcherCertificateProvider>(
            folder.identity_path(), folder.identity_path(), folder.ca_path(), kLookEverySeconds)) {}
  TlsFolder folder;
  std::shared_ptr<FileWatcherCertificateProvider> provider;
};

// One for all connections of a folder, for as long as the process lives: connections outlive their
// credentials.
std::shared_ptr<FileWatcherCertificateProvider> Watch(const TlsMaterial& tls) {
  absl::MutexLock lock(&watchers_mutex);
  static auto& watchers = *new std::map<std::string, std::unique_ptr<Watcher>>;
  std::unique_ptr<Watcher>& watcher = watchers[tls.dir];
  if (watcher == nullptr) watcher = std::make_unique<Watcher>(tls);
  return watcher->provider;
}

}  // namespace

std::shared_ptr<grpc::ServerCredentials> ServerCredentials(const TlsMaterial& tls,
                                                           bool require_client_certificate) {
  const grpc_ssl_client_certificate_request_type request =
      require_client_certificate ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                 : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
  if (tls.dir.empty()) {
    grpc::SslServerCredentialsOptions options(request);
    options.pem_root_certs = tls.ca;
    options.pem_key_cert_pairs.push_back({tls.private_key, tls.certificate_chain});
    return grpc::SslServerCredentials(options);
  }
  grpc::experimental::TlsServerCredentialsOptions options(Watch(tls));
  options.watch_identity_key_cert_pairs();
  if (require_client_certificate) options.watch_root_certs();
  options.set_cert_request_type(request);
  return grpc::experimental::TlsServerCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> ChannelCredentials(const TlsMaterial& tls) {
  if (tls.dir.empty()) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = tls.ca;
    options.pem_cert_chain = tls.certificate_chain;
    options.pem_private_key = tls.private_key;
    return grpc::SslCredentials(options);
  }
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(Watch(tls));
  options.watch_identity_key_cert_pairs();
  options.watch_root_certs();
  return grpc::experimental::TlsCredentials(options);
}

}  // namespace godwit::rpc

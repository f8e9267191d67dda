// TLS material, servers and channels. All connections are mTLS, TLS 1.3 (enrolment: server side
// only).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/rpc/identity.h"

namespace grpc {
class Channel;
class ChannelArguments;
class ClientContext;
class Server;
class Service;
}  // namespace grpc

namespace godwit::rpc {

class ScopeSource;

// PEM texts.
struct TlsMaterial {
  std::string certificate_chain;  // own, leaf first
  std::string private_key;
  std::string ca;  // what peers are verified against; may hold several certificates
  // Set by LoadWatchedTls: connections take what is in the files when they begin (two seconds later
  // at most), so that certificates and CAs are replaced without a restart. Empty: it stays as it
  // is.
  std::string dir;
};

// Reads <dir>/tls.crt, <dir>/tls.key, <dir>/ca.crt. The error says which is missing and how to make
// it.
absl::StatusOr<TlsMaterial> LoadTls(const std::string& dir);
// The same, watched from now on: for services, whose certificates are replaced while they run.
absl::StatusOr<TlsMaterial> LoadWatchedTls(const std::string& dir);

// What connections carry: it says how soon one is given up whose other end says nothing while a
// call waits, and whether the line is measured for the size of its windows.
enum class Traffic {
  kCalls,  // 10 s
  kData,   // blocks of disks: 30 s
};

enum class ClientAuth { kRequired, kNone };

struct ServerOptions {
  std::string listen;  // "address:port"; port 0 chooses one
  TlsMaterial tls;
  ClientAuth client_auth = ClientAuth::kRequired;
  int max_threads = 64;                     // of handlers of the sync API
  int max_message_bytes = 4 * 1024 * 1024;  // received
  Traffic traffic = Traffic::kCalls;
  // Who is limited to what (scope.h); must outlive the server. Null: operators and viewers are
  // refused, as far as it matters.
  ScopeSource* scopes = nullptr;
};

// A running server with health and reflection. Stop() (also the destructor) drains: answers
// NOT_SERVING, waits for calls at most the grace time, then cuts them. Thread-safe.
class Server {
 public:
  // FAILED_PRECONDITION: a method of the services is not in the access table (access.h).
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       std::vector<grpc::Service*> services);
  ~Server();
  int port() const { return port_; }
  // Health as clients and load balancers see it; that of "godwit.live" stays (lifeline.h).
  void SetServing(bool serving);
  // Makes a call to itself through the threads that serve all calls. OK: there was an answer,
  // whatever it said. DEADLINE_EXCEEDED: the server is stuck.
  absl::Status AskItself(absl::Duration patience);
  void Stop(absl::Duration grace = absl::Seconds(5));

 private:
  Server(std::unique_ptr<grpc::Server> server, int port);
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

// A lazily connecting channel to `endpoint` whose certificate must name `peer`. Each call gives a
// channel with connections of its own: one to every address of `endpoint`, which is "HOST:PORT"
// (every address that the name has) or "ipv4:ADDRESS:PORT,ADDRESS:PORT...". Calls go to those that
// are connected in turn, so that whoever calls again reaches another copy than the one that hangs.
// The peer name "service/registry" has the DNS name "registry.service.godwit.internal".
std::shared_ptr<grpc::Channel> Dial(const std::string& endpoint, const Identity& peer,
                                    const TlsMaterial& tls, Traffic traffic = Traffic::kCalls);
// Without a client certificate (enrolment).
std::shared_ptr<grpc::Channel> DialWithoutCertificate(const std::string& endpoint,
                                                      const Identity& peer,
                                                      const std::string& ca_pem);
// The PEM of the CA certificate a server shows at the end of its chain, when its SHA-256 (DER) is
// `pin_hex`. For the first contact of an agent that knows only the pin. UNAUTHENTICATED when the
// pin does not match. Uses a plain TLS connection of its own.
absl::StatusOr<std::string> FetchPinnedCa(const std::string& endpoint, const std::string& pin_hex,
                                          absl::Duration timeout);

// Sets the deadline (every call has one) and the request id of this thread on a fresh context.
void SetTimeout(grpc::ClientContext& context, absl::Duration timeout);

// Runs `call` until it succeeds, fails for good, or `total` is over. Retries only UNAVAILABLE and
// RESOURCE_EXHAUSTED (but no quota), with jittered backoff from 100 ms to 5 s.
// Use only for reads and calls with a request id.
absl::Status Retry(absl::Duration total, const std::function<absl::Status()>& call);

}  // namespace godwit::rpc

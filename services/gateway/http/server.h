// An HTTP/1.1 server for strangers: asynchronous, a few threads for any number of connections, and
// everything bounded, so that slow, idle and hostile clients cost next to nothing.
//
// One request at a time of a connection; what was sent ahead waits in the 16 KiB read buffer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/gateway/http/head.h"

namespace godwit::gateway {

class TlsContexts;

struct ServerLimits {
  std::size_t connections = 2000;
  std::size_t connections_of_address = 200;
  // Of all requests that are being received or answered.
  std::size_t body_bytes = 128 << 20;
  int requests_of_connection = 10'000;
  absl::Duration handshake = absl::Seconds(10);
  // From the first byte of a request to its last, and for taking the answer.
  absl::Duration request = absl::Seconds(30);
  absl::Duration idle = absl::Seconds(60);
};

struct ServerCounts {
  std::uint64_t connections = 0;  // now
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;  // over a limit
  std::uint64_t timed_out = 0;
  std::uint64_t malformed = 0;
};

struct HttpServerOptions {
  std::string listen;          // "address:port"; port 0: any
  TlsContexts* tls = nullptr;  // null: plain HTTP; must outlive the server
  ServerLimits limits;
  int threads = 2;
  // Called on the server's threads: must not block. `answer` is called once, from any thread, at
  // any time before the server is destroyed; after Stop() it does nothing.
  std::function<void(Request request, std::function<void(Response)> answer)> handle;
  // The answer to a request that could not be read. The connection ends after it.
  std::function<Response(const HeadFault& fault, const std::string& request_id)> refuse;
};

// Thread-safe.
class HttpServer {
 public:
  // UNAVAILABLE: the address cannot be used.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(HttpServerOptions options);
  ~HttpServer();
  int port() const;
  ServerCounts counts() const;
  // Whether its threads did something within the time.
  bool AskItself(absl::Duration patience);
  // Takes no more connections, ends idle ones, lets running requests finish for at most `grace`,
  // then cuts them. Idempotent.
  void Stop(absl::Duration grace);

  class Impl;

 private:
  explicit HttpServer(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace godwit::gateway

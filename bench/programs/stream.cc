// godwit-bench-stream: the simplest way of bytes over one connection, as a yardstick: plain TCP or
// (--tls-dir) TLS 1.3 with certificates on both sides, AES-128-GCM, 256 KiB of records for each
// write and read-ahead. Without --to it receives from one sender after the other and throws away.
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/programs/json_line.h"
#include "bench/programs/socket.h"
#include "services/common/base/flags.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/block/block.h"

namespace godwit::bench {
namespace {

constexpr std::size_t kMessage = 1 << 20;
constexpr std::size_t kTlsBuffer = 256 << 10;

struct Config {
  std::string to, listen = "127.0.0.1:0", tls_dir;
  std::int64_t bytes = std::int64_t{1} << 30;
};

absl::Status SslStatus(absl::string_view what) {
  char text[256] = "end of stream";
  if (const unsigned long code = ERR_get_error(); code != 0) {
    ERR_error_string_n(code, text, sizeof text);
  }
  return absl::InternalError(absl::StrCat(what, ": ", text));
}

using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
absl::StatusOr<Context> MakeContext(const std::string& dir, bool server) {
  Context context(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()), SSL_CTX_free);
  SSL_CTX* const raw = context.get();
  if (SSL_CTX_set_min_proto_version(raw, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(raw, "TLS_AES_128_GCM_SHA256") != 1 ||
      SSL_CTX_use_certificate_chain_file(raw, (dir + "/tls.crt").c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(raw, (dir + "/tls.key").c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_load_verify_locations(raw, (dir + "/ca.crt").c_str(), nullptr) != 1) {
    return SslStatus(dir);
  }
  SSL_CTX_set_verify(raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_read_ahead(raw, 1);
  SSL_CTX_set_default_read_buffer_len(raw, kTlsBuffer);
  return context;
}

// One connection, plain or TLS.
class Connection {
 public:
  static absl::StatusOr<std::unique_ptr<Connection>> Open(Fd fd, const std::string& tls_dir,
                                                          bool server) {
    auto connection = std::make_unique<Connection>(std::move(fd));
    if (tls_dir.empty()) return connection;
    ASSIGN_OR_RETURN(const Context context, MakeContext(tls_dir, server));
    connection->ssl_.reset(SSL_new(context.get()));
    SSL* const ssl = connection->ssl_.get();
    BIO* const in = BIO_new_socket(connection->fd_.get(), BIO_NOCLOSE);
    // Without it every record of 16 KiB is a call of the kernel.
    BIO* const out = BIO_new(BIO_f_buffer());
    BIO_set_write_buffer_size(out, static_cast<long>(kTlsBuffer));
    SSL_set_bio(ssl, in, BIO_push(out, BIO_new_socket(connection->fd_.get(), BIO_NOCLOSE)));
    if ((server ? SSL_accept(ssl) : SSL_connect(ssl)) != 1) return SslStatus("handshake");
    return connection;
  }
  explicit Connection(Fd fd) : fd_(std::move(fd)) {}

  absl::Status Write(block::Bytes bytes) {
    for (std::size_t done = 0; done < bytes.size();) {
      const std::size_t left = bytes.size() - done;
      const ssize_t wrote = ssl_
                                ? SSL_write(ssl_.get(), bytes.data() + done, static_cast<int>(left))
                                : send(fd_.get(), bytes.data() + done, left, MSG_NOSIGNAL);
      if (wrote <= 0) return ssl_ ? SslStatus("write") : ErrnoStatus("send");
      done += static_cast<std::size_t>(wrote);
    }
    return absl::OkStatus();
  }
  absl::Status Flush() {
    if (ssl_ && BIO_flush(SSL_get_wbio(ssl_.get())) != 1) return SslStatus("flush");
    return absl::OkStatus();
  }
  // 0: the other side has sent all.
  ssize_t Read(block::MutableBytes bytes) {
    return ssl_ ? SSL_read(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                : recv(fd_.get(), bytes.data(), bytes.size(), 0);
  }
  void EndOfData() {
    if (ssl_) {
      SSL_shutdown(ssl_.get());
      Flush().IgnoreError();
    } else {
      shutdown(fd_.get(), SHUT_WR);
    }
  }

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  const Fd fd_;
  std::unique_ptr<SSL, Free> ssl_;
};

absl::Status Send(const Config& config) {
  block::AlignedBuffer content(16 * kMessage);
  for (std::size_t at = 0; at < content.size(); at += kMessage) {
    RandomBytes(content.bytes().subspan(at, kMessage));
  }
  ASSIGN_OR_RETURN(Fd fd, Connect(config.to));
  ASSIGN_OR_RETURN(const auto connection,
                   Connection::Open(std::move(fd), config.tls_dir, /*server=*/false));
  const absl::Time from = absl::Now();
  std::int64_t sent = 0;
  while (sent < config.bytes) {
    const std::size_t at = static_cast<std::size_t>(sent) % content.size();
    RETURN_IF_ERROR(connection->Write(content.bytes().subspan(at, kMessage)));
    sent += kMessage;
  }
  RETURN_IF_ERROR(connection->Flush());
  connection->EndOfData();
  std::uint8_t answer = 0;
  if (connection->Read({&answer, 1}) != 1) return absl::UnavailableError("no answer at the end");
  nlohmann::json line = Usage();
  line["plain_bytes"] = sent;
  line["seconds"] = absl::ToDoubleSeconds(absl::Now() - from);
  Print("pushed", std::move(line));
  return absl::OkStatus();
}

absl::Status ReceiveAll(Fd fd, const std::string& tls_dir) {
  ASSIGN_OR_RETURN(const auto connection, Connection::Open(std::move(fd), tls_dir, true));
  block::AlignedBuffer buffer(kMessage);
  while (connection->Read(buffer.bytes()) > 0) {
  }
  const std::uint8_t answer = 1;
  RETURN_IF_ERROR(connection->Write({&answer, 1}));
  RETURN_IF_ERROR(connection->Flush());
  connection->EndOfData();
  return absl::OkStatus();
}

absl::Status Receive(const Config& config) {
  ASSIGN_OR_RETURN(const Fd listener, Listen(config.listen));
  Print("serving", {{"port", PortOf(listener)}});
  std::thread([&] {
    while (true) {
      absl::StatusOr<Fd> fd = Accept(listener);
      if (!fd.ok()) continue;
      const absl::Status status = ReceiveAll(*std::move(fd), config.tls_dir);
      if (!status.ok()) Print("failed", {{"message", status.ToString()}});
    }
  }).detach();
  Orders orders;
  while (const auto order = orders.Next(absl::Milliseconds(500))) {
    if (!order->empty() && order->front() == "stop") break;
  }
  Print("end", Usage());
  std::fflush(stdout);
  _exit(0);  // the thread waits for connections
}

}  // namespace
}  // namespace godwit::bench

int main(int argc, char** argv) {
  godwit::bench::Config config;
  godwit::Flags flags("godwit-bench-stream", "Bytes over TCP or TLS: a yardstick.");
  flags.String("to", &config.to, "address:port to send to; without it: receive");
  flags.String("listen", &config.listen, "address:port to receive at");
  flags.String("tls-dir", &config.tls_dir, "folder with tls.crt, tls.key and ca.crt; none: TCP");
  flags.Int("bytes", &config.bytes, 1, INT64_MAX, "how many to send");
  return godwit::bench::Main(flags, argc, argv, [&] {
    return config.to.empty() ? godwit::bench::Receive(config) : godwit::bench::Send(config);
  });
}

#include "services/gateway/http/server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <map>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/gateway/http/session.h"
#include "services/gateway/http/tls_contexts.h"

namespace godwit::gateway {
namespace {

using asio::ip::tcp;

absl::StatusOr<tcp::endpoint> ParseEndpoint(const std::string& listen) {
  const std::size_t colon = listen.rfind(':');
  unsigned port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(listen.substr(colon + 1), &port) ||
      port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("\"", listen, "\" is not ADDRESS:PORT"));
  }
  std::string host = listen.substr(0, colon);
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  boost::system::error_code error;
  const asio::ip::address address = asio::ip::make_address(host.empty() ? "0.0.0.0" : host, error);
  if (error) return absl::InvalidArgumentError(absl::StrCat("\"", host, "\" is no IP address"));
  return tcp::endpoint(address, static_cast<asio::ip::port_type>(port));
}

}  // namespace

class HttpServer::Impl {
 public:
  explicit Impl(HttpServerOptions options)
      : shared_(std::make_shared<Shared>()), acceptor_(asio::make_strand(context_)) {
    shared_->options = std::move(options);
  }
  ~Impl() { Stop(absl::ZeroDuration()); }

  absl::Status Start() {
    ASSIGN_OR_RETURN(const tcp::endpoint endpoint, ParseEndpoint(shared_->options.listen));
    boost::system::error_code error;
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(1024, error);
    if (error) {
      return absl::UnavailableError(
          absl::StrCat("cannot listen on ", shared_->options.listen, ": ", error.message()));
    }
    port_ = acceptor_.local_endpoint(error).port();
    asio::co_spawn(acceptor_.get_executor(), Accept(), [](std::exception_ptr) {});
    for (int i = 0; i < shared_->options.threads; ++i) {
      threads_.emplace_back([this] { context_.run(); });
    }
    return absl::OkStatus();
  }

  bool AskItself(absl::Duration patience) {
    const auto done = std::make_shared<absl::Notification>();
    asio::post(context_, [done] { done->Notify(); });
    return done->WaitForNotificationWithTimeout(patience);
  }

  void Stop(absl::Duration grace) {
    if (shared_->stopping.exchange(true)) return;
    asio::post(acceptor_.get_executor(), [this] {
      boost::system::error_code ignored;
      acceptor_.close(ignored);
    });
    {
      absl::MutexLock lock(&mutex_);
      for (auto& [id, session] : sessions_) session->Quit();
      mutex_.AwaitWithTimeout(absl::Condition(
                                  +[](Impl* impl) ABSL_EXCLUSIVE_LOCKS_REQUIRED(impl->mutex_) {
                                    return impl->sessions_.empty();
                                  },
                                  this),
                              grace);
    }
    context_.stop();
    threads_.clear();
  }

  int port() const { return port_; }

  ServerCounts counts() const {
    absl::MutexLock lock(&mutex_);
    return {.connections = sessions_.size(),
            .accepted = accepted_,
            .refused = refused_,
            .timed_out = shared_->timed_out,
            .malformed = shared_->malformed};
  }

 private:
  asio::awaitable<void> Accept() {
    while (!shared_->stopping) {
      auto [error, socket] = co_await acceptor_.async_accept(asio::make_strand(context_), kAwait);
      if (shared_->stopping || error == asio::error::operation_aborted) co_return;
      if (error) {  // out of files, most likely: wait for connections to end
        Log(Severity::kWarning, "cannot accept", {{"error", error.message()}});
        asio::steady_timer pause(acceptor_.get_executor(), std::chrono::milliseconds(200));
        co_await pause.async_wait(kAwait);
        continue;
      }
      Take(std::move(socket));
    }
  }

  // Starts a session unless there are too many; then the socket closes here.
  void Take(tcp::socket socket) {
    boost::system::error_code error;
    const std::string address = socket.remote_endpoint(error).address().to_string();
    if (error) return;
    socket.set_option(tcp::no_delay(true), error);
    const ServerLimits& limits = shared_->options.limits;
    {
      absl::MutexLock lock(&mutex_);
      if (sessions_.size() >= limits.connections ||
          of_address_[address] >= limits.connections_of_address) {
        if (of_address_[address] == 0) of_address_.erase(address);
        ++refused_;
        return;
      }
      ++of_address_[address];
      ++accepted_;
    }
    if (shared_->options.tls != nullptr) {
      auto context = shared_->options.tls->Current();
      TlsStream stream(std::move(socket), *context);
      Run(std::make_shared<Session<TlsStream>>(shared_, std::move(stream), address, context),
          address);
    } else {
      Run(std::make_shared<Session<Socket>>(shared_, std::move(socket), address, nullptr), address);
    }
  }

  template <typename SomeSession>
  void Run(std::shared_ptr<SomeSession> session, const std::string& address) {
    std::uint64_t id = 0;
    {
      absl::MutexLock lock(&mutex_);
      id = ++last_id_;
      sessions_[id] = session;
    }
    session->Start([this, id, address] {
      absl::MutexLock lock(&mutex_);
      sessions_.erase(id);
      if (--of_address_[address] == 0) of_address_.erase(address);
    });
    if (shared_->stopping) session->Quit();
  }

  // First to be made, last to go: sessions hold sockets of it.
  asio::io_context context_;
  const std::shared_ptr<Shared> shared_;
  tcp::acceptor acceptor_;
  int port_ = 0;
  mutable absl::Mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<SessionBase>> sessions_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::size_t> of_address_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t accepted_ ABSL_GUARDED_BY(mutex_) = 0, refused_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::jthread> threads_;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(HttpServerOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

int HttpServer::port() const { return impl_->port(); }
ServerCounts HttpServer::counts() const { return impl_->counts(); }
bool HttpServer::AskItself(absl::Duration patience) { return impl_->AskItself(patience); }
void HttpServer::Stop(absl::Duration grace) { impl_->Stop(grace); }

}  // namespace godwit::gateway

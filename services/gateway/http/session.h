// One connection, as a coroutine on a strand of its own. Part of server.cc; not for others.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/stream_traits.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/gateway/http/server.h"

namespace godwit::gateway {

namespace asio = boost::asio;
namespace beast = boost::beast;
using Socket = asio::ip::tcp::socket;
using TlsStream = beast::ssl_stream<Socket>;

inline constexpr char kTooSlow[] = "the request took too long";
inline constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// What the sessions of a server share. All members may be used from any thread.
struct Shared {
  HttpServerOptions options;
  std::atomic<bool> stopping = false;
  std::atomic<std::size_t> body_bytes = 0;
  std::atomic<std::uint64_t> timed_out = 0, malformed = 0;
};

class SessionBase {
 public:
  virtual ~SessionBase() = default;
  // From any thread: the session ends as soon as no request is under way.
  virtual void Quit() = 0;
};

template <typename Stream>
class Session final : public SessionBase, public std::enable_shared_from_this<Session<Stream>> {
 public:
  // `context` is kept for as long as the stream needs it.
  Session(std::shared_ptr<Shared> shared, Stream stream, std::string address,
          std::shared_ptr<asio::ssl::context> context)
      : shared_(std::move(shared)),
        context_(std::move(context)),
        stream_(std::move(stream)),
        timer_(stream_.get_executor()),
        address_(std::move(address)) {}

  // Runs the connection to its end; `done` is called then, on the strand.
  void Start(std::function<void()> done) {
    asio::co_spawn(
        stream_.get_executor(),
        [self = this->shared_from_this()]() -> asio::awaitable<void> { return self->Run(); },
        [self = this->shared_from_this(), done = std::move(done)](std::exception_ptr) { done(); });
  }

  void Quit() override {
    asio::post(stream_.get_executor(), [self = this->shared_from_this()] {
      if (self->idle_) self->Cancel();
    });
  }

 private:
  Socket& socket() { return beast::get_lowest_layer(stream_); }
  const ServerLimits& limits() const { return shared_->options.limits; }

  void Cancel() {
    boost::system::error_code ignored;
    socket().cancel(ignored);
  }
  // The operation that is under way ends with an error when the time is over.
  void Arm(absl::Duration time) {
    expired_ = false;
    timer_.expires_after(absl::ToChronoMilliseconds(time));
    // Numbered: a wait that had ended already when it was replaced must not end the next operation.
    const std::uint64_t number = ++armed_;
    timer_.async_wait([weak = this->weak_from_this(), number](boost::system::error_code error) {
      const auto self = weak.lock();
      if (error || self == nullptr || self->armed_ != number) return;
      self->expired_ = true;
      self->Cancel();
    });
  }
  void Disarm() {
    ++armed_;
    timer_.cancel();
  }

  asio::awaitable<void> Run() {
    bool more = co_await Handshake();
    for (int i = 1; more && !shared_->stopping; ++i) more = co_await ServeOne(i);
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      Arm(absl::Seconds(1));  // says good-bye to a client that still listens
      [[maybe_unused]] const auto [error] = co_await stream_.async_shutdown(kAwait);
    }
    Disarm();
    boost::system::error_code ignored;
    socket().shutdown(Socket::shutdown_both, ignored);
    socket().close(ignored);
    shared_->body_bytes -= held_bytes_;
  }

  asio::awaitable<bool> Handshake() {
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      Arm(limits().handshake);
      const auto [error] = co_await stream_.async_handshake(asio::ssl::stream_base::server, kAwait);
      Disarm();
      if (expired_) ++shared_->timed_out;
      co_return !error;
    }
    co_return true;
  }

  // One request and its answer. False: the connection is over.
  asio::awaitable<bool> ServeOne(int number) {
    const std::optional<std::string> text = co_await ReadHead();
    if (!text) co_return false;
    Request request{.client_address = address_, .id = NewUuid()};
    auto parsed = ParseHead(*text);
    if (const HeadFault* fault = std::get_if<HeadFault>(&parsed)) {
      ++shared_->malformed;
      co_await Refuse(*fault, request.id);
      co_return false;
    }
    request.head = std::get<Head>(std::move(parsed));
    const bool body_read = co_await ReadBody(request);
    Disarm();
    if (!body_read) co_return false;
    const bool keep = request.head.keep_alive && number < limits().requests_of_connection;
    Response response = co_await Ask(std::move(request));
    shared_->body_bytes -= std::exchange(held_bytes_, 0);
    const bool stay = keep && !shared_->stopping;
    const bool written = co_await Write(std::move(response), stay);
    co_return written&& stay;
  }

  // All up to and with the empty line; nothing at the end of the connection.
  asio::awaitable<std::optional<std::string>> ReadHead() {
    idle_ = buffer_.empty();
    Arm(idle_ ? limits().idle : limits().request);
    if (shared_->stopping) co_return std::nullopt;
    for (std::size_t searched = 0;;) {
      const std::size_t end = buffer_.find("\r\n\r\n", searched);
      if (end != std::string::npos && end + 4 <= kMostHeadBytes) {
        std::string head = buffer_.substr(0, end + 4);
        buffer_.erase(0, end + 4);
        co_return head;
      }
      if (buffer_.size() >= kMostHeadBytes) {
        co_await RefuseEarly(431, "the head is too long");
        co_return std::nullopt;
      }
      searched = buffer_.size() < 3 ? 0 : buffer_.size() - 3;
      char chunk[4096];
      const std::size_t room = std::min(sizeof chunk, kMostHeadBytes - buffer_.size());
      const auto [error, size] =
          co_await stream_.async_read_some(asio::buffer(chunk, room), kAwait);
      if (error) {
        if (expired_ && !idle_) co_await RefuseEarly(408, kTooSlow);
        co_return std::nullopt;
      }
      buffer_.append(chunk, size);
      if (idle_) Arm(limits().request);
      idle_ = false;
    }
  }

  asio::awaitable<bool> ReadBody(Request& request) {
    const std::size_t length = request.head.content_length;
    if (request.head.expect_continue && length > 0 && buffer_.empty()) {
      constexpr char kContinue[] = "HTTP/1.1 100 Continue\r\n\r\n";
      const auto [error, size] = co_await asio::async_write(
          stream_, asio::buffer(kContinue, sizeof kContinue - 1), kAwait);
      if (error) co_return false;
    }
    const std::size_t ahead = std::min(length, buffer_.size());
    request.body = buffer_.substr(0, ahead);
    buffer_.erase(0, ahead);
    while (request.body.size() < length) {
      const std::size_t have = request.body.size();
      const std::size_t room = std::min<std::size_t>(64 * 1024, length - have);
      if (shared_->body_bytes.fetch_add(room) + room > limits().body_bytes) {
        held_bytes_ += room;
        const HeadFault fault{503, "too many requests are being received"};
        co_await Refuse(fault, request.id);
        co_return false;
      }
      held_bytes_ += room;
      request.body.resize(have + room);
      const auto [error, size] =
          co_await asio::async_read(stream_, asio::buffer(&request.body[have], room), kAwait);
      if (error) {
        if (expired_) co_await RefuseEarly(408, kTooSlow);
        co_return false;
      }
    }
    co_return true;
  }

  // Hands the request up and waits for the answer.
  asio::awaitable<Response> Ask(Request request) {
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(Response)>(
        [this](auto handler, Request asked) {
          using Handler = decltype(handler);
          auto waiting = std::make_shared<Handler>(std::move(handler));
          shared_->options.handle(std::move(asked), [waiting, executor = stream_.get_executor()](
                                                        Response response) mutable {
            asio::post(executor, [waiting, response = std::move(response)]() mutable {
              (*waiting)(std::move(response));
            });
          });
        },
        asio::use_awaitable, std::move(request));
  }

  asio::awaitable<bool> Write(Response response, bool keep) {
    beast::http::response<beast::http::string_body> message;
    message.version(11);
    message.result(static_cast<unsigned>(response.status));
    message.keep_alive(keep);
    for (const auto& [name, value] : response.headers) message.set(name, value);
    const bool empty = response.status == 204 || response.status == 304;
    if (response.file != nullptr) {
      message.set(beast::http::field::content_type, response.content_type);
      message.content_length(static_cast<std::uint64_t>(response.file_bytes));
    } else if (!empty) {
      message.set(beast::http::field::content_type, response.content_type);
      message.body() = std::move(response.body);
      message.prepare_payload();
    }
    Arm(limits().request);
    const auto [error, size] = co_await beast::http::async_write(stream_, message, kAwait);
    Disarm();
    if (expired_) ++shared_->timed_out;
    if (error || response.file == nullptr) co_return !error;
    const bool sent = co_await WriteFile(*response.file, response.file_bytes);
    co_return sent;
  }

  // The time limit is that of each piece: a large file on a slow line takes longer than an answer.
  asio::awaitable<bool> WriteFile(const Fd& file, std::int64_t bytes) {
    std::string piece(64 * 1024, '\0');
    for (std::int64_t at = 0; at < bytes;) {
      const auto most = std::min<std::int64_t>(static_cast<std::int64_t>(piece.size()), bytes - at);
      const ssize_t got = pread(file.get(), piece.data(), static_cast<std::size_t>(most), at);
      if (got <= 0) co_return false;  // shorter than it was: the client sees an end too early
      Arm(limits().request);
      const auto [error, size] = co_await asio::async_write(
          stream_, asio::buffer(piece.data(), static_cast<std::size_t>(got)), kAwait);
      Disarm();
      if (expired_) ++shared_->timed_out;
      if (error) co_return false;
      at += got;
    }
    co_return true;
  }

  // (Operands of co_await are named objects: GCC 12 destroys braced temporaries twice there.)
  asio::awaitable<void> RefuseEarly(int status, const char* why) {
    ++(status == 408 ? shared_->timed_out : shared_->malformed);
    const HeadFault fault{status, why};
    const std::string id = NewUuid();
    co_await Refuse(fault, id);
  }

  // Answers and ends. The rest of what comes is read and thrown away for a moment: closing at once
  // would reset the connection, and the client would not see the answer.
  asio::awaitable<void> Refuse(const HeadFault& fault, const std::string& id) {
    Response response = shared_->options.refuse(fault, id);
    const bool written = co_await Write(std::move(response), /*keep=*/false);
    if (!written) co_return;
    boost::system::error_code ignored;
    if constexpr (!std::is_same_v<Stream, TlsStream>) {
      socket().shutdown(Socket::shutdown_send, ignored);
    }
    Arm(absl::Seconds(2));
    char chunk[4096];
    for (std::size_t read = 0; read < 4 * kMostBodyBytes;) {
      const auto [error, size] = co_await stream_.async_read_some(asio::buffer(chunk), kAwait);
      if (error) break;
      read += size;
    }
    Disarm();
  }

  const std::shared_ptr<Shared> shared_;
  const std::shared_ptr<asio::ssl::context> context_;
  Stream stream_;
  asio::steady_timer timer_;
  const std::string address_;
  std::string buffer_;
  std::size_t held_bytes_ = 0;
  bool idle_ = true;
  bool expired_ = false;
  std::uint64_t armed_ = 0;
};

}  // namespace godwit::gateway

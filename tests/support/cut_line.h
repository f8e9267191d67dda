// A line to a port of this machine that can be cut: ends all connections, and takes new ones (or
// not) afterwards. It may also hold one direction back, or spoil what passes.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <list>
#include <thread>
#include <vector>

#include "services/common/base/check.h"
#include "services/common/base/file.h"

namespace godwit::testing {

class CutLine {
 public:
  // May change the bytes of either direction; on the line's thread.
  using Spoil = std::function<void(char* bytes, std::size_t count)>;
  explicit CutLine(int to_port, Spoil spoil = {})
      : to_port_(to_port), spoil_(std::move(spoil)), listener_(Socket()) {
    sockaddr_in address = Local(0);
    socklen_t size = sizeof address;
    GODWIT_CHECK(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                 listen(listener_.get(), 16) == 0 &&
                 getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Loop(); });
  }
  ~CutLine() {
    stopping_ = true;
    thread_.join();
  }
  int port() const { return port_; }
  int connections() const { return connections_; }
  // Ends one connection: the one that is open for the (nth + 1)th longest time, if there is one.
  void CutOne(int nth) { cut_one_ = nth; }
  // Ends all connections; while `away` new ones end at once.
  void Cut(bool away) {
    away_ = away;
    cut_ = true;
  }
  // Holds back what goes to the port (`up`) or comes from it (`down`), as a line that loses packets
  // in one direction does: no connection ends, and all of it arrives when that is over.
  void Hold(bool up, bool down) {
    hold_up_ = up;
    hold_down_ = down;
  }

 private:
  struct Pair {
    Fd here, there;
  };
  static Fd Socket() { return Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
  static sockaddr_in Local(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    return address;
  }
  bool Pass(int from, int to) const {
    char buffer[65536];
    const ssize_t got = recv(from, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (spoil_ && got > 0) spoil_(buffer, static_cast<std::size_t>(got));
    for (ssize_t done = 0; done < got;) {
      const ssize_t sent =
          send(to, buffer + done, static_cast<std::size_t>(got - done), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      done += sent;
    }
    return got > 0;
  }
  void Accept() {
    Fd here(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!here.valid() || away_) return;
    Fd there = Socket();
    const sockaddr_in address = Local(to_port_);
    if (connect(there.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      return;
    ++connections_;
    pairs_.push_back({std::move(here), std::move(there)});
  }
  void Loop() {
    while (!stopping_) {
      if (cut_.exchange(false)) pairs_.clear();
      if (const int nth = cut_one_.exchange(-1);
          nth >= 0 && static_cast<std::size_t>(nth) < pairs_.size())
        pairs_.erase(std::next(pairs_.begin(), nth));
      std::vector<pollfd> polled = {{listener_.get(), POLLIN, 0}};
      for (const Pair& pair : pairs_) {
        // Nothing is polled where nothing may pass.
        polled.push_back({hold_up_ ? -1 : pair.here.get(), POLLIN, 0});
        polled.push_back({hold_down_ ? -1 : pair.there.get(), POLLIN, 0});
      }
      if (poll(polled.data(), polled.size(), 20) <= 0) continue;
      std::size_t at = 1;
      for (auto pair = pairs_.begin(); pair != pairs_.end(); at += 2) {
        const bool ok = (polled[at].revents == 0 || Pass(pair->here.get(), pair->there.get())) &&
                        (polled[at + 1].revents == 0 || Pass(pair->there.get(), pair->here.get()));
        pair = ok ? std::next(pair) : pairs_.erase(pair);
      }
      if (polled[0].revents != 0) Accept();
    }
  }

  const int to_port_;
  const Spoil spoil_;
  const Fd listener_;
  int port_ = 0;
  std::list<Pair> pairs_;  // thread only
  std::atomic<bool> stopping_ = false, cut_ = false, away_ = false, hold_up_ = false,
                    hold_down_ = false;
  std::atomic<int> connections_ = 0, cut_one_ = -1;
  std::thread thread_;
};

}  // namespace godwit::testing

// Which piece of work comes next when servers want more of a worker than it can do at a time.
//
// Start-time fair queueing over bytes: of all who wait the one with the smallest tag is next, and
// its server's tag grows by bytes / weight. So servers that always have something get shares in the
// proportion of their weights however large their pieces are, and one that had nothing for a while
// is next at once: it has not saved anything up, but it does not queue behind the others' bulk
// either. Large pieces may not have all turns: a small one (a commit of a server that is followed)
// finds a free turn unless small ones fill it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace godwit::worker {

// Not thread-safe; knows no time.
class TurnOrder {
 public:
  struct Limits {
    int turns = 4;                                      // at a time, at least 1
    int bulk_turns = 3;                                 // of them for large pieces, at least 1
    std::int64_t bulk_bytes = std::int64_t{256} << 10;  // from here on a piece is a large one
  };
  using Ticket = std::uint64_t;

  explicit TurnOrder(Limits limits) : limits_(limits) {}

  // `server` has a piece of `bytes` to do. `weight` above 0; the latest one of a server counts.
  Ticket Ask(const std::string& server, std::int64_t bytes, double weight = 1);
  // Who begins now; nullopt: nobody may or nobody waits.
  std::optional<Ticket> Next();
  // The piece is done, or will not be begun.
  void Done(Ticket ticket);

  std::size_t waiting() const { return queue_.size(); }
  int running() const { return running_; }

 private:
  // Every piece costs at least this: a flood of tiny ones is work, too.
  static constexpr std::int64_t kLeastBytes = std::int64_t{16} << 10;
  struct Place {
    double start;
    double cost;  // of equals the smaller one is first
    Ticket ticket;
    auto operator<=>(const Place&) const = default;
  };
  struct Piece {
    std::string server;
    Place place;
    bool bulk;
    bool begun = false;
  };
  struct Server {
    double finish = 0;  // tag of its next piece, if it never pauses
    int open = 0;       // tickets
  };

  const Limits limits_;
  std::map<std::string, Server> servers_;  // those with tickets or a tag that still counts
  std::map<Ticket, Piece> pieces_;
  std::map<Place, Ticket> queue_;  // pieces that were not begun
  Ticket last_ticket_ = 0;
  double virtual_time_ = 0;  // the largest tag that was begun
  int running_ = 0, running_bulk_ = 0;
};

}  // namespace godwit::worker

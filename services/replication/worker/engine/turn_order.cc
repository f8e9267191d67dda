#include "services/replication/worker/engine/turn_order.h"

#include <algorithm>

namespace godwit::worker {

TurnOrder::Ticket TurnOrder::Ask(const std::string& server, std::int64_t bytes, double weight) {
  Server& own = servers_[server];
  const double cost = static_cast<double>(std::max(bytes, kLeastBytes)) / weight;
  const Place place{
      .start = std::max(own.finish, virtual_time_), .cost = cost, .ticket = ++last_ticket_};
  own.finish = place.start + cost;
  ++own.open;
  queue_.emplace(place, place.ticket);
  pieces_.emplace(place.ticket,
                  Piece{.server = server, .place = place, .bulk = bytes >= limits_.bulk_bytes});
  return place.ticket;
}

std::optional<TurnOrder::Ticket> TurnOrder::Next() {
  if (running_ >= limits_.turns) return std::nullopt;
  for (auto first = queue_.begin(); first != queue_.end(); ++first) {
    Piece& piece = pieces_.at(first->second);
    if (piece.bulk && running_bulk_ >= limits_.bulk_turns) continue;
    piece.begun = true;
    ++running_;
    running_bulk_ += piece.bulk ? 1 : 0;
    virtual_time_ = std::max(virtual_time_, piece.place.start);
    const Ticket ticket = first->second;
    queue_.erase(first);
    return ticket;
  }
  return std::nullopt;
}

void TurnOrder::Done(Ticket ticket) {
  const auto found = pieces_.find(ticket);
  if (found == pieces_.end()) return;
  const Piece& piece = found->second;
  if (piece.begun) {
    --running_;
    running_bulk_ -= piece.bulk ? 1 : 0;
  } else {
    queue_.erase(piece.place);
  }
  --servers_.at(piece.server).open;
  pieces_.erase(found);
  // A tag that is over says nothing any more.
  std::erase_if(servers_, [this](const auto& entry) {
    return entry.second.open == 0 && entry.second.finish <= virtual_time_;
  });
  if (pieces_.empty()) {
    servers_.clear();
    virtual_time_ = 0;
  }
}

}  // namespace godwit::worker

#include "services/registry/rpc/event_hub.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/registry/rpc/events.h"
#include "services/registry/rpc/scope_sight.h"

namespace godwit::registry {
namespace {

constexpr std::size_t kMaxReaders = 1000;
constexpr absl::Duration kPause = absl::Milliseconds(200);
constexpr int kPage = 256;
constexpr std::size_t kMemory = 4096;  // events
constexpr char kStopping[] = "the registry is stopping";
constexpr int kBehindARound = 16;  // readers that are read for apart before the others' turn

absl::Status GoOn(absl::string_view why) {
  return absl::UnavailableError(absl::StrCat(why, "; watch again with the last token"));
}

}  // namespace

void EventHub::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void EventHub::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

absl::Status EventHub::Add(std::shared_ptr<EventReader> reader) {
  absl::MutexLock lock(&mutex_);
  if (stopping_) return GoOn(kStopping);
  if (count_ + new_.size() >= kMaxReaders) {
    return absl::ResourceExhaustedError("too many watch events; try again later");
  }
  new_.push_back(std::move(reader));
  return absl::OkStatus();
}

void EventHub::WakeUp() {
  absl::MutexLock lock(&mutex_);
  woken_ = true;
}

bool EventHub::Await(bool busy, std::vector<std::shared_ptr<EventReader>>* fresh) {
  absl::MutexLock lock(&mutex_);
  const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || woken_ || !new_.empty();
  };
  if (!busy) mutex_.AwaitWithTimeout(absl::Condition(&ready), kPause);
  woken_ = false;
  fresh->swap(new_);
  count_ = members_.size() + fresh->size();
  return !stopping_;
}

absl::Status EventHub::Join(std::shared_ptr<EventReader> reader) {
  const std::optional<EventToken>& since = reader->since();
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  const std::int64_t after = since ? since->sequence : std::numeric_limits<std::int64_t>::max();
  ASSIGN_OR_RETURN(const storage::EventPage page, storage::ReadEvents(*connection, after, 1));
  if (since) RETURN_IF_ERROR(CheckSince(*since, page.look));
  const EventToken place{.stream = page.look.stream,
                         .sequence = since ? since->sequence : page.look.head};
  reader->Begin(place);
  members_.push_back({.reader = std::move(reader), .place = place.sequence});
  return absl::OkStatus();
}

absl::Status EventHub::ReadNew() {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  if (head_ < 0) {
    // The readers have what they need of the time before from the database.
    ASSIGN_OR_RETURN(const storage::EventPage page,
                     storage::ReadEvents(*connection, std::numeric_limits<std::int64_t>::max(), 1));
    head_ = page.look.head;
    stream_ = page.look.stream;
    memory_.clear();
    unread_ = false;
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const storage::EventPage page, storage::ReadEvents(*connection, head_, kPage));
  const absl::Status follows = CheckSince({.stream = stream_, .sequence = head_}, page.look);
  if (!follows.ok()) {
    head_ = -1;
    return follows;
  }
  for (const auto& event : page.events) memory_.push_back(event);
  if (!page.events.empty()) head_ = page.events.back()->sequence;
  unread_ = head_ < page.look.head;
  while (memory_.size() > kMemory) memory_.pop_front();
  return absl::OkStatus();
}

absl::Status EventHub::Give(Member& member, const Events& events) {
  std::vector<bool> seen(events.size(), true);
  if (const std::string& principal = member.reader->principal(); !principal.empty()) {
    ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
    ASSIGN_OR_RETURN(seen, SeenEvents(*connection, principal, events));
  }
  member.reader->Take(events, seen);
  return absl::OkStatus();
}

absl::StatusOr<bool> EventHub::FeedFromMemory(Member& member) {
  if (member.place >= head_) return true;
  if (memory_.empty() || memory_.front()->sequence > member.place + 1) return false;
  const auto first = memory_.begin() + (member.place + 1 - memory_.front()->sequence);
  const auto count = std::min<std::ptrdiff_t>(memory_.end() - first,
                                              static_cast<std::ptrdiff_t>(member.reader->room()));
  if (count <= 0) return true;
  RETURN_IF_ERROR(Give(member, Events(first, first + count)));
  member.place += count;
  return true;
}

absl::Status EventHub::FeedFromDatabase(Member& member) {
  const int limit = static_cast<int>(std::min<std::size_t>(kPage, member.reader->room()));
  storage::EventPage page;
  {
    ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
    ASSIGN_OR_RETURN(page, storage::ReadEvents(*connection, member.place, limit));
  }
  const absl::Status follows = CheckSince({.stream = stream_, .sequence = member.place}, page.look);
  if (!follows.ok()) {
    member.reader->End(follows);  // it was too slow, or away for too long
    return absl::OkStatus();
  }
  if (page.events.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(Give(member, page.events));
  member.place = page.events.back()->sequence;
  return absl::OkStatus();
}

absl::StatusOr<bool> EventHub::Feed() {
  bool more = unread_;
  int behind = 0;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    Member& member = members_[(turn_ + i) % members_.size()];
    if (member.reader->ended() || member.reader->room() == 0) continue;
    ASSIGN_OR_RETURN(const bool fed, FeedFromMemory(member));
    if (!fed) {
      if (++behind > kBehindARound) {
        more = true;
        continue;
      }
      RETURN_IF_ERROR(FeedFromDatabase(member));
    }
    more = more || (member.place < head_ && member.reader->room() > 0);
  }
  turn_ += kBehindARound;
  return more;
}

void EventHub::EndAll(const absl::Status& status) {
  for (const Member& member : members_) member.reader->End(status);
}

void EventHub::Loop() {
  bool busy = false;
  while (true) {
    std::vector<std::shared_ptr<EventReader>> fresh;
    const bool going_on = Await(busy, &fresh);
    busy = false;
    for (const auto& reader : fresh) {
      const absl::Status joined = going_on ? Join(reader) : absl::CancelledError(kStopping);
      if (!joined.ok()) {
        reader->End(absl::IsOutOfRange(joined) ? joined : GoOn(joined.message()));
      }
    }
    if (!going_on) {
      EndAll(GoOn(kStopping));
      return;
    }
    if (members_.empty()) {
      head_ = -1;  // nobody needs it to go on
      continue;
    }
    const absl::Status read = ReadNew();
    const absl::StatusOr<bool> fed = read.ok() ? Feed() : absl::StatusOr<bool>(read);
    if (fed.ok()) {
      busy = *fed;
    } else {
      EndAll(GoOn(fed.status().message()));
    }
    for (const Member& member : members_) member.reader->Tick();
    members_.erase(std::remove_if(members_.begin(), members_.end(),
                                  [](const Member& member) { return member.reader->ended(); }),
                   members_.end());
  }
}

}  // namespace godwit::registry

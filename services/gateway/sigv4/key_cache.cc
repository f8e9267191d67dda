#include "services/gateway/sigv4/key_cache.h"

namespace godwit::gateway::sigv4 {
namespace {

constexpr std::size_t kMostEntries = 4096;

}  // namespace

KeyCache::KeyCache(KeySource& source, Clock& clock, absl::Duration lifetime)
    : source_(source), clock_(clock), lifetime_(lifetime) {}

absl::StatusOr<SigningKey> KeyCache::Get(const Authorization& authorization,
                                         const std::string& request_id) {
  const Name name = {authorization.key_id, authorization.date, authorization.region,
                     authorization.service};
  // Counted from before the question: the answer may be as old as that.
  const absl::Duration now = clock_.Monotonic();
  {
    absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(name);
    if (found != entries_.end() && now < found->second.until) return found->second.answer;
  }
  absl::StatusOr<SigningKey> answer = source_.Get(authorization, request_id);
  if (!answer.ok() && !absl::IsNotFound(answer.status())) return answer;
  absl::MutexLock lock(&mutex_);
  MakeRoom(now);
  entries_.insert_or_assign(name, Entry{.answer = answer, .until = now + lifetime_});
  return answer;
}

void KeyCache::MakeRoom(absl::Duration now) {
  if (entries_.size() < kMostEntries) return;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    entry = entry->second.until <= now ? entries_.erase(entry) : std::next(entry);
  }
  if (entries_.size() >= kMostEntries) entries_.clear();  // somebody tries names: begin anew
}

}  // namespace godwit::gateway::sigv4

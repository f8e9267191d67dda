// Keeps signing keys for a few seconds, so that a change of an access key takes effect within them.
#pragma once

#include <map>
#include <string>
#include <tuple>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/clock.h"
#include "services/gateway/sigv4/verify.h"

namespace godwit::gateway::sigv4 {

// Also remembers that there is no such key. Other errors are not kept: while the registry is away
// nobody is let in on an old answer. Holds at most 4096 answers. Thread-safe.
class KeyCache final : public KeySource {
 public:
  // Both must outlive it.
  KeyCache(KeySource& source, Clock& clock, absl::Duration lifetime = absl::Seconds(5));
  absl::StatusOr<SigningKey> Get(const Authorization& authorization,
                                 const std::string& request_id) override;

 private:
  using Name = std::tuple<std::string, std::string, std::string, std::string>;
  struct Entry {
    absl::StatusOr<SigningKey> answer;
    absl::Duration until;
  };
  void MakeRoom(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  KeySource& source_;
  Clock& clock_;
  const absl::Duration lifetime_;
  absl::Mutex mutex_;
  std::map<Name, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace godwit::gateway::sigv4

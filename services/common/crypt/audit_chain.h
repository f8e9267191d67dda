// The hash chain of the audit log: every entry holds the hash of the one before, so that entries
// that were changed, left out or put in show.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace godwit::crypt {

struct ChainedEntry {
  std::int64_t sequence = 0;
  std::int64_t time_micros = 0;  // since 1970
  std::string principal, peer, method, resource;
  int code = 0;
  std::string request_id, detail;
  std::string prev_hash, hash;  // 32 bytes
};

// What comes before the first entry.
std::string AuditChainStart();
// SHA-256 of the hash before and the fields: each as its length in bytes, a colon, and itself.
std::string AuditHash(absl::string_view prev_hash, const ChainedEntry& entry);

// Follows the chain from its start or from an entry that is known. Not thread-safe.
class AuditChain {
 public:
  AuditChain() = default;
  AuditChain(std::int64_t sequence, std::string hash)
      : sequence_(sequence), hash_(std::move(hash)) {}
  // DATA_LOSS: names the entry and what is wrong with it.
  absl::Status Add(const ChainedEntry& entry);
  std::int64_t sequence() const { return sequence_; }  // of the last entry; 0: none
  const std::string& hash() const { return hash_; }

 private:
  std::int64_t sequence_ = 0;
  std::string hash_ = AuditChainStart();
};

}  // namespace godwit::crypt

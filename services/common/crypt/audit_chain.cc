#include "services/common/crypt/audit_chain.h"

#include <openssl/sha.h>

#include "absl/strings/str_cat.h"

namespace godwit::crypt {
namespace {

std::string Sha256(absl::string_view text) {
  std::string hash(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         reinterpret_cast<unsigned char*>(hash.data()));
  return hash;
}

absl::Status Broken(const ChainedEntry& entry, absl::string_view what) {
  return absl::DataLossError(absl::StrCat("audit entry ", entry.sequence, ": ", what));
}

}  // namespace

std::string AuditChainStart() { return Sha256("godwit audit log"); }

std::string AuditHash(absl::string_view prev_hash, const ChainedEntry& entry) {
  std::string text(prev_hash);
  for (const std::string& field :
       {absl::StrCat(entry.sequence), absl::StrCat(entry.time_micros), entry.principal, entry.peer,
        entry.method, entry.resource, absl::StrCat(entry.code), entry.request_id, entry.detail}) {
    absl::StrAppend(&text, field.size(), ":", field);
  }
  return Sha256(text);
}

absl::Status AuditChain::Add(const ChainedEntry& entry) {
  // Entries from before the chain began may have gaps between their numbers.
  if (entry.sequence <= sequence_) return Broken(entry, "is not in order");
  if (entry.prev_hash != hash_) {
    return Broken(entry, absl::StrCat("does not follow entry ", sequence_,
                                      ": something between them was taken out, or changed"));
  }
  if (AuditHash(entry.prev_hash, entry) != entry.hash) return Broken(entry, "was changed");
  sequence_ = entry.sequence;
  hash_ = entry.hash;
  return absl::OkStatus();
}

}  // namespace godwit::crypt

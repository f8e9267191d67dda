// The master key file: keys that wrap the keys of groups. One key a line, the first is the present
// one; the others still unwrap what was wrapped with them:
//
//   # comment
//   mk-0123456789abcdef 64 hexadecimal digits
//
// The id is made from the key, so a damaged line shows. The file belongs to root or to the user who
// reads it, and nobody else may read or write it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/crypt/secret.h"

namespace godwit::crypt {

struct MasterKey {
  std::string id;
  Secret key;  // 32 bytes
};

class MasterKeys {
 public:
  // NOT_FOUND, PERMISSION_DENIED (others may read it), INVALID_ARGUMENT (which line, and why).
  static absl::StatusOr<MasterKeys> Load(const std::string& path);
  const MasterKey& current() const { return keys_.front(); }
  // Null: the file does not have it.
  const MasterKey* Find(const std::string& id) const;
  const std::vector<MasterKey>& keys() const { return keys_; }

 private:
  explicit MasterKeys(std::vector<MasterKey> keys) : keys_(std::move(keys)) {}
  std::vector<MasterKey> keys_;
};

// Puts a new key before those of the file, which is made when missing. Gives its id.
absl::StatusOr<std::string> AddMasterKey(const std::string& path);

}  // namespace godwit::crypt

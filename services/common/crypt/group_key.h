// The key of one replica: random, made with it, wrapped by a master key in the file `group.key` of
// its folder. Everything that holds content is encrypted with keys of its own, which this one
// wraps; it is also the passphrase of the images' LUKS headers.
//
//   godwit-group-key 1
//   master mk-0123456789abcdef
//   wrapped 120 hexadecimal digits (AES-256-GCM; the line "master" is bound to it)
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "services/common/crypt/master_keys.h"
#include "services/common/crypt/secret.h"

namespace godwit::crypt {

inline constexpr char kGroupKeyFile[] = "group.key";

class GroupKey;
using GroupKeyPtr = std::shared_ptr<const GroupKey>;

class GroupKey {
 public:
  // The key in `folder`, made when there is none; whoever is first wins. A key that was wrapped by
  // an older master key is wrapped anew by the present one.
  static absl::StatusOr<GroupKeyPtr> LoadOrMake(const std::string& folder, const MasterKeys& keys);
  // NOT_FOUND: no key there. FAILED_PRECONDITION: its master key is not in the file. DATA_LOSS: it
  // is damaged.
  static absl::StatusOr<GroupKeyPtr> Load(const std::string& folder, const MasterKeys& keys);
  // Which master key wraps the key in `folder`. NOT_FOUND: none there.
  static absl::StatusOr<std::string> WrappedBy(const std::string& folder);
  // Puts the same key into another folder.
  absl::Status Save(const std::string& folder, const MasterKeys& keys) const;
  static bool Exists(const std::string& folder);

  // Of the LUKS headers: 64 hexadecimal digits.
  const Secret& passphrase() const { return passphrase_; }
  // Wraps keys of a file; `purpose` tells one sort of files from another.
  absl::StatusOr<std::string> WrapFor(absl::string_view purpose, const Secret& key) const;
  absl::StatusOr<Secret> UnwrapFor(absl::string_view purpose, absl::string_view wrapped) const;

 private:
  GroupKey() = default;
  static absl::StatusOr<GroupKeyPtr> From(Secret key);
  Secret key_, passphrase_, files_;
};

}  // namespace godwit::crypt

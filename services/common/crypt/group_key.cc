#include "services/common/crypt/group_key.h"

#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"

namespace godwit::crypt {
namespace {

constexpr std::size_t kKeyBytes = 32, kMaxFile = 4096;
constexpr char kFirstLine[] = "godwit-group-key 1";

std::string Path(const std::string& folder) { return absl::StrCat(folder, "/", kGroupKeyFile); }

struct Parsed {
  std::string master_id, wrapped;
};

absl::StatusOr<Parsed> Read(const std::string& folder) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(Path(folder), kMaxFile));
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  const auto damaged = [&] { return absl::DataLossError(Path(folder) + ": no wrapped key"); };
  if (lines.size() < 3 || lines[0] != kFirstLine) return damaged();
  absl::string_view master = lines[1], wrapped = lines[2];
  if (!absl::ConsumePrefix(&master, "master ") || !absl::ConsumePrefix(&wrapped, "wrapped "))
    return damaged();
  for (const char c : wrapped) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) return damaged();
  }
  if (wrapped.size() != 2 * (kKeyBytes + kWrapBytes)) return damaged();
  return Parsed{.master_id = std::string(master), .wrapped = absl::HexStringToBytes(wrapped)};
}

std::string Associated(const std::string& master_id) {
  return absl::StrCat("godwit group key ", master_id);
}

absl::StatusOr<std::string> Text(const Secret& key, const MasterKey& master) {
  ASSIGN_OR_RETURN(const std::string wrapped, Wrap(master.key, Associated(master.id), key));
  return absl::StrCat(kFirstLine, "\nmaster ", master.id, "\nwrapped ",
                      absl::BytesToHexString(wrapped), "\n");
}

}  // namespace

bool GroupKey::Exists(const std::string& folder) {
  struct stat info;
  return stat(Path(folder).c_str(), &info) == 0;
}

absl::StatusOr<GroupKeyPtr> GroupKey::From(Secret key) {
  std::shared_ptr<GroupKey> group(new GroupKey);
  ASSIGN_OR_RETURN(const Secret passphrase, DeriveKey(key, "godwit luks passphrase"));
  group->passphrase_ = Secret(absl::BytesToHexString(passphrase.bytes()));
  ASSIGN_OR_RETURN(group->files_, DeriveKey(key, "godwit file keys"));
  group->key_ = std::move(key);
  return group;
}

absl::StatusOr<std::string> GroupKey::WrappedBy(const std::string& folder) {
  ASSIGN_OR_RETURN(const Parsed parsed, Read(folder));
  return parsed.master_id;
}

absl::StatusOr<GroupKeyPtr> GroupKey::Load(const std::string& folder, const MasterKeys& keys) {
  ASSIGN_OR_RETURN(const Parsed parsed, Read(folder));
  const MasterKey* const master = keys.Find(parsed.master_id);
  if (master == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(Path(folder), ": wrapped by master key ",
                                                      parsed.master_id,
                                                      ", which is not in the master key file"));
  }
  absl::StatusOr<Secret> key = Unwrap(master->key, Associated(master->id), parsed.wrapped);
  RETURN_IF_ERROR(Annotate(key.status(), Path(folder)));
  return From(*std::move(key));
}

absl::Status GroupKey::Save(const std::string& folder, const MasterKeys& keys) const {
  ASSIGN_OR_RETURN(const std::string text, Text(key_, keys.current()));
  return WriteFileAtomically(Path(folder), text, 0600);
}

absl::StatusOr<GroupKeyPtr> GroupKey::LoadOrMake(const std::string& folder,
                                                 const MasterKeys& keys) {
  if (!Exists(folder)) {
    ASSIGN_OR_RETURN(const Secret key, RandomSecret(kKeyBytes));
    ASSIGN_OR_RETURN(const std::string text, Text(key, keys.current()));
    const std::string mine = absl::StrCat(Path(folder), ".", NewUuid());
    RETURN_IF_ERROR(WriteFileAtomically(mine, text, 0600));
    // A link never replaces: another worker may have made one meanwhile.
    const bool linked = link(mine.c_str(), Path(folder).c_str()) == 0 || errno == EEXIST;
    const absl::Status failed = linked ? absl::OkStatus() : ErrnoStatus(Path(folder));
    unlink(mine.c_str());
    RETURN_IF_ERROR(failed);
    RETURN_IF_ERROR(SyncDir(folder));
  }
  ASSIGN_OR_RETURN(const GroupKeyPtr key, Load(folder, keys));
  ASSIGN_OR_RETURN(const std::string by, WrappedBy(folder));
  if (by != keys.current().id) {
    RETURN_IF_ERROR(key->Save(folder, keys));
    Log(Severity::kInfo, "wrapped a group's key anew",
        {{"folder", folder}, {"from", by}, {"to", keys.current().id}});
  }
  return key;
}

absl::StatusOr<std::string> GroupKey::WrapFor(absl::string_view purpose, const Secret& key) const {
  return Wrap(files_, purpose, key);
}

absl::StatusOr<Secret> GroupKey::UnwrapFor(absl::string_view purpose,
                                           absl::string_view wrapped) const {
  return Unwrap(files_, purpose, wrapped);
}

}  // namespace godwit::crypt

#include "services/common/crypt/master_keys.h"

#include <fcntl.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::crypt {
namespace {

constexpr std::size_t kMaxFile = 64 << 10, kKeyBytes = 32;
constexpr char kHead[] =
    "# Master keys of Godwit: the first wraps, the others still unwrap. Keep a copy in a safe "
    "place: without it encrypted replicas are lost.\n";

std::string IdOf(const Secret& key) {
  const std::string text = absl::StrCat("godwit master key id ", key.bytes());
  std::string hash(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         reinterpret_cast<unsigned char*>(hash.data()));
  return absl::StrCat("mk-", absl::BytesToHexString(hash.substr(0, 8)));
}

absl::Status CheckOwner(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return Annotate(ErrnoStatus(path), "master key file");
  if (!S_ISREG(info.st_mode))
    return absl::InvalidArgumentError(absl::StrCat("master key file ", path, ": not a file"));
  if ((info.st_uid != 0 && info.st_uid != geteuid()) || (info.st_mode & 077) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(
        "master key file ", path, ": others can read or change it; do chown and chmod 600"));
  }
  return absl::OkStatus();
}

absl::StatusOr<MasterKey> ParseLine(absl::string_view line) {
  const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
  if (words.size() != 2) return absl::InvalidArgumentError("an id and a key are needed");
  const bool hex = std::all_of(words[1].begin(), words[1].end(), absl::ascii_isxdigit);
  if (!hex || words[1].size() != 2 * kKeyBytes)
    return absl::InvalidArgumentError("a key is 64 hexadecimal digits");
  MasterKey key{.id = words[0], .key = Secret(absl::HexStringToBytes(words[1]))};
  if (key.id != IdOf(key.key))
    return absl::InvalidArgumentError("the id does not belong to the key: one of them is damaged");
  return key;
}

}  // namespace

absl::StatusOr<MasterKeys> MasterKeys::Load(const std::string& path) {
  RETURN_IF_ERROR(CheckOwner(path));
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFile));
  std::vector<MasterKey> keys;
  int number = 0;
  for (const absl::string_view raw : absl::StrSplit(text, '\n')) {
    ++number;
    const absl::string_view line = absl::StripAsciiWhitespace(raw);
    if (line.empty() || line.front() == '#') continue;
    const std::string where = absl::StrCat("master key file ", path, ", line ", number);
    absl::StatusOr<MasterKey> key = ParseLine(line);
    RETURN_IF_ERROR(Annotate(key.status(), where));
    for (const MasterKey& other : keys) {
      if (other.id == key->id)
        return absl::InvalidArgumentError(where + ": the key is there twice");
    }
    keys.push_back(*std::move(key));
  }
  if (keys.empty())
    return absl::InvalidArgumentError(absl::StrCat("master key file ", path, ": no key in it"));
  return MasterKeys(std::move(keys));
}

const MasterKey* MasterKeys::Find(const std::string& id) const {
  for (const MasterKey& key : keys_) {
    if (key.id == id) return &key;
  }
  return nullptr;
}

absl::StatusOr<std::string> AddMasterKey(const std::string& path) {
  const absl::StatusOr<MasterKeys> present = MasterKeys::Load(path);
  if (!present.ok() && !absl::IsNotFound(present.status())) return present.status();
  ASSIGN_OR_RETURN(const Secret key, RandomSecret(kKeyBytes));
  const std::string id = IdOf(key);
  std::string text = absl::StrCat(kHead, id, " ", absl::BytesToHexString(key.bytes()), "\n");
  if (present.ok()) {
    for (const MasterKey& older : present->keys())
      absl::StrAppend(&text, older.id, " ", absl::BytesToHexString(older.key.bytes()), "\n");
  }
  RETURN_IF_ERROR(WriteFileAtomically(path, text, 0600));
  return id;
}

}  // namespace godwit::crypt

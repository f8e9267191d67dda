#include "services/replication/worker/store/file_cipher.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/crypt/luks_header.h"

namespace godwit::store {
namespace {

constexpr char kMagic[] = "GODWITK1";
constexpr std::size_t kMagicBytes = 8;
constexpr char kImage[] = "image";

}  // namespace

absl::StatusOr<FileCipherPtr> FileCipher::Fresh(const crypt::GroupKeyPtr& group) {
  ASSIGN_OR_RETURN(crypt::Secret key, crypt::RandomSecret(crypt::kXtsKeyBytes));
  return std::make_shared<const FileCipher>(group, std::move(key));
}

absl::StatusOr<FileCipherPtr> FileCipher::OfImage(const crypt::GroupKeyPtr& group,
                                                  absl::string_view wrapped) {
  ASSIGN_OR_RETURN(crypt::Secret key, group->UnwrapFor(kImage, wrapped));
  if (key.size() != crypt::kXtsKeyBytes) return absl::DataLossError("no key of an image");
  return std::make_shared<const FileCipher>(group, std::move(key));
}

absl::StatusOr<std::string> FileCipher::ForImage() const { return group_->WrapFor(kImage, key_); }

absl::StatusOr<std::string> FileCipher::LuksHeader() const {
  return crypt::MakeLuksHeader(key_, group_->passphrase());
}

absl::StatusOr<std::string> MakeKeyPage(const crypt::GroupKey& group, absl::string_view purpose,
                                        const crypt::Secret& keys) {
  ASSIGN_OR_RETURN(const std::string wrapped, group.WrapFor(purpose, keys));
  std::string page = absl::StrCat(kMagic, wrapped);
  page.resize(kKeyPageBytes);
  return page;
}

absl::StatusOr<crypt::Secret> ReadKeyPage(const crypt::GroupKey& group, absl::string_view purpose,
                                          absl::string_view page, std::size_t size) {
  const std::size_t wrapped = size + crypt::kWrapBytes;
  if (page.size() < kMagicBytes + wrapped || page.substr(0, kMagicBytes) != kMagic)
    return absl::DataLossError("no encrypted file of this store");
  return group.UnwrapFor(purpose, page.substr(kMagicBytes, wrapped));
}

absl::StatusOr<std::string> EncryptContent(const crypt::GroupKeyPtr& group,
                                           absl::string_view purpose, absl::string_view content) {
  ASSIGN_OR_RETURN(const crypt::Secret key, crypt::RandomSecret(crypt::kXtsKeyBytes));
  ASSIGN_OR_RETURN(std::string out, MakeKeyPage(*group, purpose, key));
  ASSIGN_OR_RETURN(crypt::Xts xts, crypt::Xts::Make(key));
  out.reserve(kKeyPageBytes + EncryptedBytes(content.size()));
  absl::StrAppend(&out, content);
  out.resize(EncryptedBytes(content.size()));
  auto* const at = reinterpret_cast<std::uint8_t*>(out.data()) + kKeyPageBytes;
  RETURN_IF_ERROR(xts.Encrypt(0, crypt::kSectorBytes, at, at, out.size() - kKeyPageBytes));
  return out;
}

absl::StatusOr<std::string> DecryptContent(const crypt::GroupKeyPtr& group,
                                           absl::string_view purpose, std::string content,
                                           std::size_t size) {
  ASSIGN_OR_RETURN(const crypt::Secret key,
                   ReadKeyPage(*group, purpose, content, crypt::kXtsKeyBytes));
  if (content.size() != EncryptedBytes(size)) return absl::DataLossError("another length");
  ASSIGN_OR_RETURN(crypt::Xts xts, crypt::Xts::Make(key));
  auto* const at = reinterpret_cast<std::uint8_t*>(content.data()) + kKeyPageBytes;
  RETURN_IF_ERROR(xts.Decrypt(0, crypt::kSectorBytes, at, at, content.size() - kKeyPageBytes));
  content.erase(0, kKeyPageBytes);
  content.resize(size);
  return content;
}

}  // namespace godwit::store

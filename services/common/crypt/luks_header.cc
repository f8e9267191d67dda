#include "services/common/crypt/luks_header.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <cstring>

#include "absl/base/internal/endian.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/crypt/xts.h"

namespace godwit::crypt {
namespace {

constexpr std::uint32_t kIterations = 1000;  // the least that QEMU makes
constexpr std::uint32_t kStripes = 4000, kSlots = 8;
constexpr std::uint32_t kSlotActive = 0x00AC71F3, kSlotUnused = 0x0000DEAD;
constexpr std::size_t kFirstSlot = 4096, kSaltBytes = 32, kDigestBytes = 20;
constexpr std::size_t kSlotBytes = kXtsKeyBytes * kStripes;           // 256000
constexpr std::size_t kSlotRoom = (kSlotBytes + 4095) / 4096 * 4096;  // between two slots
static_assert(kLuksUsedBytes == kFirstSlot + kSlotBytes);
static_assert(kFirstSlot + kSlots * kSlotRoom <= kLuksBytes);

absl::StatusOr<Secret> Stretch(const Secret& passphrase, absl::string_view salt, std::size_t size) {
  std::string key(size, '\0');
  if (PKCS5_PBKDF2_HMAC(passphrase.bytes().data(), static_cast<int>(passphrase.size()),
                        reinterpret_cast<const unsigned char*>(salt.data()),
                        static_cast<int>(salt.size()), kIterations, EVP_sha256(),
                        static_cast<int>(size),
                        reinterpret_cast<unsigned char*>(key.data())) != 1) {
    return absl::InternalError("PBKDF2 failed");
  }
  return Secret(std::move(key));
}

// The diffusion function of the splitter: each piece of 32 bytes is hashed with its number.
void Diffuse(unsigned char* block) {
  for (std::uint32_t i = 0; i * SHA256_DIGEST_LENGTH < kXtsKeyBytes; ++i) {
    unsigned char piece[4 + SHA256_DIGEST_LENGTH];
    absl::big_endian::Store32(piece, i);
    std::memcpy(piece + 4, block + i * SHA256_DIGEST_LENGTH, SHA256_DIGEST_LENGTH);
    SHA256(piece, sizeof piece, block + i * SHA256_DIGEST_LENGTH);
  }
}

// Spreads the key over all stripes: without any one of them it cannot be had back.
absl::StatusOr<std::string> Split(const Secret& key) {
  ASSIGN_OR_RETURN(const Secret noise, RandomSecret(kSlotBytes - kXtsKeyBytes));
  std::string out = noise.bytes();
  unsigned char block[kXtsKeyBytes] = {};
  for (std::uint32_t i = 0; i + 1 < kStripes; ++i) {
    for (std::size_t j = 0; j < kXtsKeyBytes; ++j)
      block[j] ^= static_cast<unsigned char>(out[i * kXtsKeyBytes + j]);
    Diffuse(block);
  }
  for (std::size_t j = 0; j < kXtsKeyBytes; ++j)
    out.push_back(static_cast<char>(block[j] ^ key.data()[j]));
  return out;
}

void Put(std::string& out, std::size_t at, absl::string_view bytes) {
  std::memcpy(out.data() + at, bytes.data(), bytes.size());
}

void Put32(std::string& out, std::size_t at, std::uint32_t value) {
  absl::big_endian::Store32(out.data() + at, value);
}

}  // namespace

absl::StatusOr<std::string> MakeLuksHeader(const Secret& key, const Secret& passphrase) {
  if (key.size() != kXtsKeyBytes) return absl::InternalError("LUKS: a key of 64 bytes is needed");
  ASSIGN_OR_RETURN(const Secret digest_salt, RandomSecret(kSaltBytes));
  ASSIGN_OR_RETURN(const Secret slot_salt, RandomSecret(kSaltBytes));
  ASSIGN_OR_RETURN(const Secret digest, Stretch(key, digest_salt.bytes(), kDigestBytes));
  ASSIGN_OR_RETURN(const Secret slot_key, Stretch(passphrase, slot_salt.bytes(), kXtsKeyBytes));
  ASSIGN_OR_RETURN(const std::string split, Split(key));
  std::string out(kLuksUsedBytes, '\0');
  Put(out, 0, absl::string_view("LUKS\xba\xbe\0\1", 8));
  Put(out, 8, "aes");
  Put(out, 40, "xts-plain64");
  Put(out, 72, "sha256");
  Put32(out, 104, kLuksBytes / kSectorBytes);
  Put32(out, 108, kXtsKeyBytes);
  Put(out, 112, digest.bytes());
  Put(out, 132, digest_salt.bytes());
  Put32(out, 164, kIterations);
  Put(out, 168, NewUuid());
  for (std::uint32_t i = 0; i < kSlots; ++i) {
    const std::size_t at = 208 + i * 48;
    Put32(out, at, i == 0 ? kSlotActive : kSlotUnused);
    Put32(out, at + 4, i == 0 ? kIterations : 0);
    if (i == 0) Put(out, at + 8, slot_salt.bytes());
    Put32(out, at + 40, static_cast<std::uint32_t>((kFirstSlot + i * kSlotRoom) / kSectorBytes));
    Put32(out, at + 44, kStripes);
  }
  ASSIGN_OR_RETURN(Xts xts, Xts::Make(slot_key));
  RETURN_IF_ERROR(xts.Encrypt(0, kSectorBytes, reinterpret_cast<const std::uint8_t*>(split.data()),
                              reinterpret_cast<std::uint8_t*>(out.data()) + kFirstSlot,
                              kSlotBytes));
  return out;
}

}  // namespace godwit::crypt

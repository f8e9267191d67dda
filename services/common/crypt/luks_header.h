// LUKS1 headers, as QEMU wants them for encrypted images: AES-256-XTS, plain64, SHA-256, one key
// slot. The passphrase is a random key, so the slot has only as many iterations as QEMU asks for.
//
// Format: "LUKS On-Disk Format Specification 1.2.3". Godwit itself never reads one: it keeps the
// key of each of its files wrapped beside (group_key.h).
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/crypt/secret.h"

namespace godwit::crypt {

// Room for header and eight key slots; the payload begins behind it. Only the first
// kLuksUsedBytes are other than zero.
inline constexpr std::size_t kLuksBytes = std::size_t{2} << 20;
inline constexpr std::size_t kLuksUsedBytes = 4096 + 256000;

// The used part of a header that gives `key` (64 bytes) to whoever knows the passphrase.
absl::StatusOr<std::string> MakeLuksHeader(const Secret& key, const Secret& passphrase);

}  // namespace godwit::crypt

// Identifiers. Resource ids are a prefix and 17 lower-case hex digits, as in MGN
// ("s-0123456789abcdef0").
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace godwit {

// Fills `out` from the kernel's random source. Aborts the process when that source fails.
void RandomBytes(std::span<std::uint8_t> out);

// prefix + 17 random hex digits; prefixes in use: "s-" server, "d-" disk, "p-" point, "w-" worker,
// "job-", "t-" token, "c-" clone, "ct-" conversion task, "wave-", "app-", "wr-" wave run.
std::string NewId(absl::string_view prefix);

// The id that always follows from (prefix, seed): for names that a retried step must find again.
std::string DerivedId(absl::string_view prefix, absl::string_view seed);

// Random UUID, version 4, lower case with dashes: the form of request ids.
std::string NewUuid();

// OK when `id` is prefix + 17 lower-case hex digits, else INVALID_ARGUMENT naming `field`.
absl::Status CheckId(absl::string_view field, absl::string_view prefix, absl::string_view id);

// OK when `id` is an UUIDv4 in lower case, else INVALID_ARGUMENT naming `field`.
absl::Status CheckUuid(absl::string_view field, absl::string_view id);

// "sourceServers/s-..." -> "s-...": takes `name` apart, checking the collection and the id's
// prefix.
absl::StatusOr<std::string> ParseName(absl::string_view field, absl::string_view collection,
                                      absl::string_view prefix, absl::string_view name);

}  // namespace godwit

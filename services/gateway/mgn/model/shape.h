// The words of which the tables of the MGN API are made: shapes (types with their bounds), members
// and operations. Plain constant data; validate.h walks it. The tables follow the public service
// model "mgn 2020-02-26": 55 operations of the model of 2022 and 15 of that of 2023.
#pragma once

#include <cstdint>
#include <span>

#include "absl/strings/string_view.h"

namespace godwit::gateway::mgn {

enum class Kind {
  kStructure,
  kList,
  kMap,
  kString,
  kEnum,
  kInteger,
  kBoolean,
  kFloat,
  kEpochTime,  // seconds since 1970 as a JSON number
};

inline constexpr std::int64_t kNone = -1;  // no bound

struct Member;

struct Shape {
  Kind kind = Kind::kString;
  // Of the length in characters, the number of elements, or the value.
  std::int64_t least = kNone;
  std::int64_t most = kNone;
  // RE2, of the whole text; null: any.
  const char* pattern = nullptr;
  // Of an enum; the last `newer_values` are not in the model of 2022.
  std::span<const absl::string_view> values;
  std::size_t newer_values = 0;
  const Member* members = nullptr;
  std::size_t member_count = 0;
  const Shape* element = nullptr;  // of a list; the value of a map
  const Shape* key = nullptr;      // of a map

  constexpr std::span<const Member> Members() const;
};

enum MemberFlags : std::uint8_t {
  kRequired = 1,
  kInUri = 2,
  kInQuery = 4,
  kNewer = 8,  // not in the model of 2022
};

struct Member {
  absl::string_view name;
  const Shape* shape = nullptr;
  int flags = 0;
};

constexpr std::span<const Member> Shape::Members() const { return {members, member_count}; }

// Errors an operation declares.
enum DeclaredErrors : std::uint32_t {
  kUninitialized = 1,
  kNotFound = 2,
  kValidation = 4,
  kConflict = 8,
  kQuota = 16,
  kDenied = 32,
  kThrottling = 64,
  kInternal = 128,
};

struct Operation {
  absl::string_view name;
  absl::string_view method;
  absl::string_view uri;  // may hold one {member}
  int success = 200;
  std::span<const Member> input;
  const Shape* output = nullptr;  // null: an empty answer
  std::uint32_t errors = 0;       // DeclaredErrors
  int model = 2022;
};

template <std::size_t kCount>
constexpr Shape Structure(const Member (&members)[kCount]) {
  return {.kind = Kind::kStructure, .members = members, .member_count = kCount};
}
template <std::size_t kCount>
constexpr Shape Enum(const absl::string_view (&values)[kCount], std::size_t newer = 0) {
  return {.kind = Kind::kEnum, .values = values, .newer_values = newer};
}

template <std::int64_t kLeast, std::int64_t kMost, const char* kPattern = nullptr>
inline constexpr Shape kString = {
    .kind = Kind::kString, .least = kLeast, .most = kMost, .pattern = kPattern};
template <std::int64_t kLeast, std::int64_t kMost>
inline constexpr Shape kInteger = {.kind = Kind::kInteger, .least = kLeast, .most = kMost};
template <const Shape& kElement, std::int64_t kLeast, std::int64_t kMost>
inline constexpr Shape kList = {
    .kind = Kind::kList, .least = kLeast, .most = kMost, .element = &kElement};
template <const Shape& kKey, const Shape& kValue, std::int64_t kLeast, std::int64_t kMost>
inline constexpr Shape kMap = {
    .kind = Kind::kMap, .least = kLeast, .most = kMost, .element = &kValue, .key = &kKey};
inline constexpr Shape kBool = {.kind = Kind::kBoolean};
inline constexpr Shape kFloat = {.kind = Kind::kFloat};
inline constexpr Shape kEpochTime = {.kind = Kind::kEpochTime};

}  // namespace godwit::gateway::mgn

#include "cli/format.h"

#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace godwit::cli {
namespace {

// "5m 7s", "5m".
std::string TwoUnits(std::int64_t large, const char* large_unit, std::int64_t small,
                     const char* small_unit) {
  const std::string out = absl::StrCat(large, large_unit);
  return small == 0 ? out : absl::StrCat(out, " ", small, small_unit);
}

}  // namespace

std::string Bytes(std::int64_t bytes) {
  constexpr std::array<const char*, 6> kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (std::abs(value) >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  if (unit == 0) return absl::StrCat(bytes, " B");
  return absl::StrFormat("%.1f %s", value, kUnits[unit]);
}

std::string Span(absl::Duration duration) {
  if (duration < absl::ZeroDuration()) return absl::StrCat("-", Span(-duration));
  if (duration < absl::Seconds(1)) return absl::StrCat(absl::ToInt64Milliseconds(duration), "ms");
  if (duration < absl::Minutes(1)) return absl::StrFormat("%.1fs", absl::ToDoubleSeconds(duration));
  const std::int64_t seconds = absl::ToInt64Seconds(duration);
  if (seconds < 3600) return TwoUnits(seconds / 60, "m", seconds % 60, "s");
  if (seconds < 48 * 3600) return TwoUnits(seconds / 3600, "h", seconds / 60 % 60, "m");
  return TwoUnits(seconds / 86400, "d", seconds / 3600 % 24, "h");
}

std::string Span(const google::protobuf::Duration& duration) { return Span(ToDuration(duration)); }

std::string When(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return "-";
  return absl::FormatTime("%Y-%m-%d %H:%M:%SZ", absl::FromUnixSeconds(time.seconds()),
                          absl::UTCTimeZone());
}

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

google::protobuf::Duration FromDuration(absl::Duration duration) {
  google::protobuf::Duration out;
  out.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  out.set_nanos(static_cast<int>(absl::ToInt64Nanoseconds(duration)));
  return out;
}

std::string ShortName(absl::string_view name) {
  if (name.empty()) return "-";
  const std::size_t slash = name.rfind('/');
  return std::string(slash == absl::string_view::npos ? name : name.substr(slash + 1));
}

std::string EnumName(const google::protobuf::EnumDescriptor* type, int number) {
  if (number == 0) return "-";
  const auto* value = type->FindValueByNumber(number);
  return value == nullptr ? absl::StrCat(number) : value->name();
}

absl::StatusOr<int> ParseEnum(absl::string_view option,
                              const google::protobuf::EnumDescriptor* type,
                              absl::string_view text) {
  const std::string wanted = absl::AsciiStrToUpper(absl::StrReplaceAll(text, {{"-", "_"}}));
  std::string known;
  for (int i = 0; i < type->value_count(); ++i) {
    const auto* value = type->value(i);
    if (value->number() == 0) continue;
    if (value->name() == wanted) return value->number();
    absl::StrAppend(&known, known.empty() ? "" : ", ",
                    absl::AsciiStrToLower(absl::StrReplaceAll(value->name(), {{"_", "-"}})));
  }
  return absl::InvalidArgumentError(absl::StrCat("--", option, ": ", text, " is none of ", known));
}

absl::StatusOr<std::int64_t> ParseBytes(absl::string_view option, absl::string_view text) {
  constexpr std::array<std::pair<absl::string_view, double>, 9> kUnits = {{{"KiB", 1024.0},
                                                                           {"MiB", 1048576.0},
                                                                           {"GiB", 1073741824.0},
                                                                           {"TiB", 1099511627776.0},
                                                                           {"kB", 1e3},
                                                                           {"MB", 1e6},
                                                                           {"GB", 1e9},
                                                                           {"TB", 1e12},
                                                                           {"B", 1.0}}};
  absl::string_view number = text;
  double factor = 1;
  for (const auto& [unit, value] : kUnits) {
    if (absl::EndsWith(text, unit)) {
      number.remove_suffix(unit.size());
      factor = value;
      break;
    }
  }
  double value = 0;
  constexpr double kMost = 9.0e18;
  if (!absl::SimpleAtod(absl::StripAsciiWhitespace(number), &value) || !(value >= 0) ||
      value * factor > kMost) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--", option, ": ", text, " is no size: write 512MiB, 2GiB or a number of bytes"));
  }
  return static_cast<std::int64_t>(value * factor);
}

absl::StatusOr<absl::Duration> ParseSpan(absl::string_view option, absl::string_view text) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) || duration < absl::ZeroDuration() ||
      duration == absl::InfiniteDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--", option, ": ", text, " is no duration: write 90s, 5m or 1h30m"));
  }
  return duration;
}

}  // namespace godwit::cli

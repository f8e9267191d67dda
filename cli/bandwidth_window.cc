#include "cli/bandwidth_window.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "cli/format.h"
#include "services/common/base/status_macros.h"

namespace godwit::cli {
namespace {

using registry::v1::BandwidthWindow;

constexpr char kOption[] = "bandwidth-window";
constexpr std::array<absl::string_view, 7> kDays = {"mon", "tue", "wed", "thu",
                                                    "fri", "sat", "sun"};
constexpr int kMinutesOfDay = 24 * 60;

absl::Status Wrong(absl::string_view part, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("--", kOption, ": \"", part, "\" is no ", what,
                   ": write for example mon-fri@08:00-18:00=2MiB or 22:00-06:00=paused"));
}

absl::StatusOr<int> ParseDay(absl::string_view text) {
  const auto* const day = std::find(kDays.begin(), kDays.end(), absl::AsciiStrToLower(text));
  if (day == kDays.end()) return Wrong(text, "weekday");
  return static_cast<int>(day - kDays.begin());
}

absl::StatusOr<int> ParseDays(absl::string_view text) {
  int mask = 0;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::pair<absl::string_view, absl::string_view> range =
        absl::StrSplit(part, absl::MaxSplits('-', 1));
    ASSIGN_OR_RETURN(int day, ParseDay(range.first));
    mask |= 1 << day;
    if (part.find('-') == absl::string_view::npos) continue;
    ASSIGN_OR_RETURN(const int last, ParseDay(range.second));
    for (; day != last; day = (day + 1) % 7) mask |= 1 << day;
    mask |= 1 << last;
  }
  return mask;
}

absl::StatusOr<int> ParseMinute(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  int hour = 0, minute = 0;
  if (parts.size() != 2 || parts[0].size() > 2 || parts[1].size() != 2 ||
      !absl::SimpleAtoi(parts[0], &hour) || !absl::SimpleAtoi(parts[1], &minute) || hour < 0 ||
      minute < 0 || minute > 59 || hour * 60 + minute > kMinutesOfDay) {
    return Wrong(text, "time of day");
  }
  return hour * 60 + minute;
}

std::string MinuteText(int minute) {
  return absl::StrFormat("%02d:%02d", minute / 60, minute % 60);
}

// "mon-fri", "sat,sun"; "daily" for all.
std::string DaysText(int mask) {
  if (mask == 0 || mask == 0x7f) return "daily";
  std::string out;
  for (std::size_t day = 0; day < kDays.size(); ++day) {
    if ((mask >> day & 1) == 0) continue;
    std::size_t last = day;
    while (last + 1 < kDays.size() && (mask >> (last + 1) & 1) != 0) ++last;
    absl::StrAppend(&out, out.empty() ? "" : ",", kDays[day]);
    if (last > day) absl::StrAppend(&out, last == day + 1 ? "," : "-", kDays[last]);
    day = last;
  }
  return out;
}

}  // namespace

absl::StatusOr<BandwidthWindow> ParseBandwidthWindow(absl::string_view text) {
  BandwidthWindow window;
  absl::string_view rest = text;
  if (const std::size_t at = rest.find('@'); at != absl::string_view::npos) {
    ASSIGN_OR_RETURN(const int mask, ParseDays(rest.substr(0, at)));
    window.set_weekday_mask(mask);
    rest.remove_prefix(at + 1);
  }
  const std::size_t equals = rest.find('=');
  const std::vector<absl::string_view> times = absl::StrSplit(rest.substr(0, equals), '-');
  if (equals == absl::string_view::npos || times.size() != 2) return Wrong(text, "window");
  ASSIGN_OR_RETURN(const int start, ParseMinute(times[0]));
  ASSIGN_OR_RETURN(const int end, ParseMinute(times[1]));
  if (start == kMinutesOfDay) return Wrong(times[0], "time that a window can begin at");
  window.set_start_minute(start);
  window.set_end_minute(end == 0 ? kMinutesOfDay : end);
  const absl::string_view limit = rest.substr(equals + 1);
  if (limit == "paused") return window;
  ASSIGN_OR_RETURN(const std::int64_t bytes, ParseBytes(kOption, limit));
  if (bytes == 0) return Wrong(limit, "limit of a window; \"paused\" sends nothing");
  window.set_limit_bytes_per_second(bytes);
  return window;
}

std::string BandwidthWindowText(const BandwidthWindow& window) {
  return absl::StrCat(DaysText(window.weekday_mask()), " ", MinuteText(window.start_minute()),
                      " to ", MinuteText(window.end_minute()), " UTC: ",
                      window.limit_bytes_per_second() == 0
                          ? "paused"
                          : absl::StrCat(Bytes(window.limit_bytes_per_second()), "/s"));
}

}  // namespace godwit::cli

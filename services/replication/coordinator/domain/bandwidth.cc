#include "services/replication/coordinator/domain/bandwidth.h"

#include <algorithm>

#include "absl/time/civil_time.h"

namespace godwit::coordinator {
namespace {

constexpr int kMinutesOfDay = 24 * 60;

struct Moment {
  int minute;   // of the day
  int weekday;  // 0 is Monday
};

bool BeginsOn(const BandwidthWindow& window, int weekday) {
  return window.weekday_mask == 0 || (window.weekday_mask >> weekday & 1) != 0;
}

bool Contains(const BandwidthWindow& window, const Moment& now) {
  if (window.start_minute < window.end_minute) {
    return now.minute >= window.start_minute && now.minute < window.end_minute &&
           BeginsOn(window, now.weekday);
  }
  if (window.start_minute == window.end_minute) return false;
  const int yesterday = (now.weekday + 6) % 7;
  return (now.minute >= window.start_minute && BeginsOn(window, now.weekday)) ||
         (now.minute < window.end_minute && BeginsOn(window, yesterday));
}

}  // namespace

Bandwidth BandwidthAt(std::int64_t limit_bytes_per_second,
                      const std::vector<BandwidthWindow>& windows, absl::Time now) {
  const absl::CivilMinute civil = absl::ToCivilMinute(now, absl::UTCTimeZone());
  const Moment moment{.minute = civil.hour() * 60 + civil.minute(),
                      .weekday = static_cast<int>(absl::GetWeekday(absl::CivilDay(civil)))};
  Bandwidth out{.limit_bytes_per_second = std::max<std::int64_t>(limit_bytes_per_second, 0)};
  bool found = false;
  for (const BandwidthWindow& window : windows) {
    for (const int edge : {window.start_minute, window.end_minute}) {
      // The next time that the clock shows it.
      const int away = (edge - moment.minute + kMinutesOfDay - 1) % kMinutesOfDay + 1;
      out.until = std::min(out.until, absl::FromCivil(civil + away, absl::UTCTimeZone()));
    }
    if (found || !Contains(window, moment)) continue;
    found = true;
    out.paused = window.limit_bytes_per_second <= 0;
    out.limit_bytes_per_second = std::max<std::int64_t>(window.limit_bytes_per_second, 0);
  }
  return out;
}

}  // namespace godwit::coordinator

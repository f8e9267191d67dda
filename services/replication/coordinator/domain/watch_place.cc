#include "services/replication/coordinator/domain/watch_place.h"

#include <algorithm>
#include <tuple>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace godwit::coordinator {
namespace {

constexpr std::size_t kMostToken = 64 << 10;
constexpr std::size_t kMostId = 64;
constexpr char kForm[] = "r2";
constexpr char kFormWithoutSight[] = "r1";

absl::Status NoSnapshot() { return absl::InvalidArgumentError("is no snapshot"); }

// Everything below `transaction` that `now` sees was sent.
Snapshot Below(const Snapshot& seen, const Snapshot& now, std::uint64_t transaction) {
  Snapshot out{.end = std::max(seen.end, transaction), .open = {}};
  for (const std::uint64_t open : seen.open) {
    if (open >= transaction || !now.Sees(open)) out.open.insert(open);
  }
  for (auto open = now.open.lower_bound(seen.end); open != now.open.end() && *open < transaction;
       ++open) {
    out.open.insert(*open);
  }
  return out;
}

// `transaction` is open in `seen`, or its end.
void Include(std::uint64_t transaction, Snapshot* seen) {
  if (transaction == seen->end) {
    ++seen->end;
  } else {
    seen->open.erase(transaction);
  }
}

std::string FormatSight(const Sight& sight) {
  return absl::StrCat(sight.until_micros, ":", sight.count, ":", sight.digest, ":",
                      sight.limited ? 1 : 0);
}

std::optional<Sight> ParseSight(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  Sight sight;
  if (parts.size() != 4 || !absl::SimpleAtoi(parts[0], &sight.until_micros) ||
      !absl::SimpleAtoi(parts[1], &sight.count) || !absl::SimpleAtoi(parts[2], &sight.digest) ||
      (parts[3] != "0" && parts[3] != "1")) {
    return std::nullopt;
  }
  sight.limited = parts[3] == "1";
  return sight;
}

}  // namespace

absl::StatusOr<Snapshot> ParseSnapshot(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  Snapshot out;
  std::uint64_t first = 0;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &first) ||
      !absl::SimpleAtoi(parts[1], &out.end) || first < 1 || first > out.end) {
    return NoSnapshot();
  }
  std::uint64_t least = first;
  for (const absl::string_view part : absl::StrSplit(parts[2], ',', absl::SkipEmpty())) {
    std::uint64_t open = 0;
    if (!absl::SimpleAtoi(part, &open) || open < least || open >= out.end) return NoSnapshot();
    out.open.insert(open);
    least = open + 1;
  }
  return out;
}

std::string FormatSnapshot(const Snapshot& snapshot) {
  const std::uint64_t first = snapshot.open.empty() ? snapshot.end : *snapshot.open.begin();
  return absl::StrCat(first, ":", snapshot.end, ":", absl::StrJoin(snapshot.open, ","));
}

bool ComesBefore(const WatchPlace& place, const WatchRow& a, const WatchRow& b) {
  const auto order = [&place](const WatchRow& row) {
    return std::tuple(row.transaction != place.partial, row.transaction, absl::string_view(row.id));
  };
  return order(a) < order(b);
}

WatchPlace After(const WatchPlace& place, const Snapshot& now, const WatchRow& row) {
  WatchPlace out = place;
  if (row.transaction != place.partial) {
    // All rows of the one before were sent.
    if (place.partial != 0) Include(place.partial, &out.seen);
    out.seen = Below(out.seen, now, row.transaction);
    out.partial = row.transaction;
  }
  out.partial_id = row.id;
  return out;
}

std::string FormatWatchToken(const WatchPlace& place) {
  const std::string place_text = absl::StrCat(place.database, "/", FormatSnapshot(place.seen), "/",
                                              place.partial, "/", place.partial_id);
  return absl::WebSafeBase64Escape(
      place.sight ? absl::StrCat(kForm, "/", place_text, "/", FormatSight(*place.sight))
                  : absl::StrCat(kFormWithoutSight, "/", place_text));
}

absl::StatusOr<WatchPlace> ParseWatchToken(absl::string_view token) {
  std::string plain;
  if (!token.empty() && token.size() <= kMostToken && absl::WebSafeBase64Unescape(token, &plain)) {
    const std::vector<std::string> parts = absl::StrSplit(plain, '/');
    WatchPlace place;
    bool fits = parts.size() == 5 && parts[0] == kFormWithoutSight;
    if (parts.size() == 6 && parts[0] == kForm) {
      place.sight = ParseSight(parts[5]);
      fits = place.sight.has_value();
    }
    if (fits && absl::SimpleAtoi(parts[3], &place.partial) && parts[4].size() <= kMostId) {
      place.database = parts[1];
      place.partial_id = parts[4];
      absl::StatusOr<Snapshot> seen = ParseSnapshot(parts[2]);
      if (seen.ok() && (place.partial == 0 || place.partial == seen->end ||
                        seen->open.contains(place.partial))) {
        place.seen = *std::move(seen);
        return place;
      }
    }
  }
  return absl::InvalidArgumentError("is not a watch_token of a replication");
}

absl::Status CheckWatchPlace(const WatchPlace& place, absl::string_view database,
                             const Snapshot& now) {
  const bool here = place.database == database && place.seen.end <= now.end &&
                    (place.partial == 0 || place.partial < now.end);
  if (here) return absl::OkStatus();
  return absl::OutOfRangeError(
      "since: the token is of another database or another time (a restore, a fail-over of the "
      "database): watch again without since");
}

absl::Status CheckSight(const WatchPlace& place, const Sight& now) {
  if (place.sight && place.sight->SameRows(now)) return absl::OkStatus();
  return absl::OutOfRangeError(
      "since: replications were deleted since then, or what you may see is not the same any more: "
      "watch again without since, and take what does not come for gone");
}

}  // namespace godwit::coordinator

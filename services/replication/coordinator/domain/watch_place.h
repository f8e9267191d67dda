// Where a watch of replications is: which changes it was sent, told by the transactions that made
// them. Pure.
//
// Every row names the transaction that changed it last, and numbers of transactions do not follow
// the order of their commits. So a place is a snapshot: transactions below `end` that are not
// `open` were seen, of all other ones nothing was; of one more the rows up to an id.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace godwit::coordinator {

struct Snapshot {
  std::uint64_t end = 1;  // 1: nothing was seen
  std::set<std::uint64_t> open;

  bool Sees(std::uint64_t transaction) const {
    return transaction < end && !open.contains(transaction);
  }
  bool operator==(const Snapshot&) const = default;
};
// As PostgreSQL writes it, "10:20:10,14". INVALID_ARGUMENT: it is none.
absl::StatusOr<Snapshot> ParseSnapshot(absl::string_view text);
std::string FormatSnapshot(const Snapshot& snapshot);

// Which rows a watch shows: how many they are, and a digest of their ids. Of those that were made
// up to a time, a later look can say whether they are the same still, or whether rows were deleted,
// or left or came into what the reader may see.
struct Sight {
  std::int64_t until_micros = 0;  // clock of the database, since 1970
  std::int64_t count = 0;
  std::int64_t digest = 0;
  bool limited = false;  // the reader was limited to a scope
  bool SameRows(const Sight& other) const {
    return count == other.count && digest == other.digest && limited == other.limited;
  }
  bool operator==(const Sight&) const = default;
};

struct WatchPlace {
  std::string database;  // of this cluster and time line; elsewhere the numbers mean something else
  Snapshot seen;
  // What `seen` does not see: rows of this transaction with ids up to this one. 0: none.
  std::uint64_t partial = 0;
  std::string partial_id;
  // What the reader was shown, or will be by what comes after this place; nullopt: not known.
  std::optional<Sight> sight;

  bool Saw(std::uint64_t transaction, absl::string_view id) const {
    return seen.Sees(transaction) || (transaction == partial && id <= partial_id);
  }
  bool operator==(const WatchPlace&) const = default;
};

// A row that is not seen yet, in the order in which rows are to be sent: those of a transaction
// that was begun first, then by number and id.
struct WatchRow {
  std::uint64_t transaction = 0;
  std::string id;
};
bool ComesBefore(const WatchPlace& place, const WatchRow& a, const WatchRow& b);

// The place after `row` was sent, too: the next one of all that `now` sees and `place` did not.
WatchPlace After(const WatchPlace& place, const Snapshot& now, const WatchRow& row);

// Opaque to callers.
std::string FormatWatchToken(const WatchPlace& place);
// INVALID_ARGUMENT: not one that FormatWatchToken made, now or in a former version (which knew no
// sight).
absl::StatusOr<WatchPlace> ParseWatchToken(absl::string_view token);
// OUT_OF_RANGE: the place is of another database or time than this look.
absl::Status CheckWatchPlace(const WatchPlace& place, absl::string_view database,
                             const Snapshot& now);
// OUT_OF_RANGE: the rows that the reader was shown are not those (`now`, made up to the same time)
// that he would have been shown today, so that what left cannot be told.
absl::Status CheckSight(const WatchPlace& place, const Sight& now);

}  // namespace godwit::coordinator

#include "services/replication/coordinator/store/watch_store.h"

#include "services/common/base/status_macros.h"
#include "services/replication/coordinator/store/params.h"
#include "services/replication/coordinator/store/server_store.h"

namespace godwit::coordinator::store {
namespace {

// Both forms, as an index of all rows is read faster than they are joined with their own ids.
#define GODWIT_SIGHT                                                                           \
  "select replication.micros(clock_timestamp()), count(*), coalesce(bit_xor(hashtextextended(" \
  "s.id, 0)), 0) from replication.server s"
#define GODWIT_MADE_UNTIL "($1::bigint is null or replication.micros(s.create_time) <= $1::bigint)"
constexpr pg::Statement kSight = {"server_sight", GODWIT_SIGHT " where " GODWIT_MADE_UNTIL};
constexpr pg::Statement kSightAmong = {
    "server_sight_among",
    GODWIT_SIGHT " join unnest($2::text[]) as v (id) on v.id = s.id where " GODWIT_MADE_UNTIL};
constexpr pg::Statement kIds = {"server_ids", "select s.id from replication.server s"};
constexpr pg::Statement kIdsAmong = {
    "server_ids_among",
    "select s.id from replication.server s join unnest($1::text[]) as v (id) on v.id = s.id"};

}  // namespace

absl::StatusOr<Sight> LookAround(pg::Connection& connection, const Among& among,
                                 std::optional<std::int64_t> made_until_micros) {
  const pg::Param until = made_until_micros ? Number(*made_until_micros) : pg::Param();
  ASSIGN_OR_RETURN(const pg::Result found, among
                                               ? connection.Exec(kSightAmong, {until, Ids(*among)})
                                               : connection.Exec(kSight, {until}));
  return Sight{
      .until_micros = found.Int(0, 0), .count = found.Int(0, 1), .digest = found.Int(0, 2)};
}

absl::StatusOr<std::set<std::string>> ListIds(pg::Connection& connection, const Among& among) {
  ASSIGN_OR_RETURN(const pg::Result found,
                   among ? connection.Exec(kIdsAmong, {Ids(*among)}) : connection.Exec(kIds));
  std::set<std::string> ids;
  for (int row = 0; row < found.rows(); ++row) ids.emplace(found.Text(row, 0));
  return ids;
}

absl::StatusOr<std::vector<Server>> LoadServers(pg::Connection& connection,
                                                const std::vector<std::string>& ids) {
  if (ids.empty()) return std::vector<Server>();
  return ListServersWithin(connection, ids, "", static_cast<int>(ids.size()));
}

}  // namespace godwit::coordinator::store

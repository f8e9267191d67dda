#include "services/registry/storage/event_store.h"

#include "services/common/base/status_macros.h"
#include "services/registry/storage/params.h"

namespace godwit::registry::storage {
namespace {

constexpr pg::Statement kRead = {
    "registry_event_read",
    "select h.stream, h.sequence, e.sequence, e.id, registry.micros(e.time), e.type, e.resource,"
    " e.server_id, e.application_id, e.wave_id, e.version, e.cause, e.principal, e.lifecycle,"
    " e.launch_status, e.launch_job, e.archived, e.display_name"
    " from registry.event_head h left join (select v.sequence, v.id, v.time, v.type, v.resource,"
    "   v.server_id, v.application_id, v.wave_id, v.version, v.cause, v.principal, v.lifecycle,"
    "   v.launch_status, v.launch_job, v.archived, v.display_name"
    "   from registry.event v where v.sequence > $1::bigint order by v.sequence"
    "   limit $2::bigint) e on true order by e.sequence"};
// The oldest, always from the end: what stays has no gaps.
constexpr pg::Statement kForgetOld = {
    "registry_event_forget_old",
    "delete from registry.event where sequence <= greatest("
    " (select coalesce(max(o.sequence), 0) from (select e.sequence from registry.event e"
    "   where e.time < now() - $1::bigint * interval '1 millisecond'"
    "   order by e.time limit 10000) o),"
    " (select least(h.sequence - $2::bigint,"
    "   (select min(e.sequence) + 9999 from registry.event e)) from registry.event_head h))"};

EventRecord FromRow(const pg::Result& result, int row) {
  const auto text = [&](int column) { return std::string(result.Text(row, column)); };
  const auto number = [&](int column) { return static_cast<int>(result.Int(row, column)); };
  return {.sequence = result.Int(row, 2),
          .id = text(3),
          .time = result.Time(row, 4).value_or(absl::UnixEpoch()),
          .type = number(5),
          .resource = text(6),
          .server_id = text(7),
          .application_id = text(8),
          .wave_id = text(9),
          .version = result.Int(row, 10),
          .cause = text(11),
          .principal = text(12),
          .lifecycle = number(13),
          .launch_status = number(14),
          .launch_job = text(15),
          .archived = result.Bool(row, 16),
          .display_name = text(17)};
}

}  // namespace

absl::StatusOr<EventPage> ReadEvents(pg::Connection& connection, std::int64_t after, int limit) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kRead, {Number(after), Number(limit)}));
  if (result.rows() == 0) return absl::DataLossError("registry.event_head has no row");
  EventPage page{.look = {.stream = std::string(result.Text(0, 0)), .head = result.Int(0, 1)}};
  for (int row = 0; row < result.rows() && !result.IsNull(row, 2); ++row) {
    page.events.push_back(std::make_shared<const EventRecord>(FromRow(result, row)));
  }
  if (!page.events.empty()) page.look.first = page.events.front()->sequence;
  return page;
}

absl::StatusOr<std::int64_t> ForgetOldEvents(pg::Connection& connection,
                                             const EventRetention& retention) {
  ASSIGN_OR_RETURN(const pg::Result deleted,
                   connection.Exec(kForgetOld, {Number(absl::ToInt64Milliseconds(retention.age)),
                                                Number(retention.count)}));
  return deleted.affected();
}

}  // namespace godwit::registry::storage

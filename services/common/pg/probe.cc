#include "services/common/pg/probe.h"

#include "services/common/base/status_macros.h"

namespace godwit::pg {
namespace {

constexpr Statement kStandby = {"probe_standby", "SELECT pg_is_in_recovery()"};
constexpr absl::Duration kPatience = absl::Seconds(5);

}  // namespace

absl::Status Probe::Check() {
  if (connection_ == nullptr) {
    ASSIGN_OR_RETURN(connection_,
                     Connection::Open(conninfo_, {.statement = kPatience, .lock = kPatience}));
  }
  const absl::StatusOr<Result> standby = connection_->Exec(kStandby);
  if (!standby.ok() || standby->Bool(0, 0)) {
    connection_.reset();  // the next look finds whoever is the primary then
    return standby.ok() ? absl::UnavailableError("database: this is a standby") : standby.status();
  }
  return absl::OkStatus();
}

}  // namespace godwit::pg

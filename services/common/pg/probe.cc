#include "services/common/pg/probe.h"

#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"

namespace godwit::pg {
namespace {

constexpr Statement kStandby = {
    "probe_standby",
    "SELECT pg_is_in_recovery(), (extract(epoch FROM clock_timestamp()) * 1e6)::bigint"};
constexpr absl::Duration kPatience = absl::Seconds(5);
// Signed requests are refused and certificates misjudged by a host that is further off.
constexpr absl::Duration kHostMayBeOff = absl::Seconds(10);

}  // namespace

absl::Status Probe::Check() {
  if (connection_ == nullptr) {
    ASSIGN_OR_RETURN(connection_,
                     Connection::Open(conninfo_, {.statement = kPatience, .lock = kPatience}));
  }
  const absl::Duration asked = clock_ == nullptr ? absl::ZeroDuration() : clock_->Monotonic();
  const absl::StatusOr<Result> standby = connection_->Exec(kStandby);
  if (!standby.ok() || standby->Bool(0, 0)) {
    connection_.reset();  // the next look finds whoever is the primary then
    return standby.ok() ? absl::UnavailableError("database: this is a standby") : standby.status();
  }
  if (clock_ == nullptr) return absl::OkStatus();
  if (const auto time = standby->Time(0, 1); time) clock_->Learn(*time, asked);
  const absl::Duration ahead = clock_->HostAhead();
  const bool off = absl::AbsDuration(ahead) > kHostMayBeOff;
  if (off != host_is_off_) {
    Log(off ? Severity::kWarning : Severity::kInfo,
        off ? "this host's clock is not the database's"
            : "this host's clock is the database's again",
        {{"ahead", absl::FormatDuration(ahead)},
         {"do", off ? "set the clock of this host, or the database's, right (NTP); times are "
                      "recorded by the database's"
                    : ""}});
  }
  host_is_off_ = off;
  return absl::OkStatus();
}

}  // namespace godwit::pg

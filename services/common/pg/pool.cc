#include "services/common/pg/pool.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/common/base/deadline_scope.h"
#include "services/common/base/status_macros.h"

namespace godwit::pg {

absl::StatusOr<Pool::Lease> Pool::Acquire() {
  {
    absl::MutexLock lock(&mutex_);
    const auto free = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !idle_.empty() || open_ < options_.max_connections;
    };
    const absl::Time asked = SteadyNow();
    ++waiting_;
    const bool had = mutex_.AwaitWithTimeout(absl::Condition(&free),
                                             std::min(options_.acquire_timeout, TimeLeft()));
    --waiting_;
    waited_ += SteadyNow() - asked;
    if (!had) {
      ++failures_;
      return absl::UnavailableError("database: all connections are busy; try again");
    }
    if (!idle_.empty()) {
      std::unique_ptr<Connection> connection = std::move(idle_.back());
      idle_.pop_back();
      return Lease(*this, std::move(connection));
    }
    ++open_;
  }
  absl::StatusOr<std::unique_ptr<Connection>> connection =
      Connection::Open(options_.conninfo, options_.limits);
  if (!connection.ok()) {
    absl::MutexLock lock(&mutex_);
    --open_;
    ++failures_;
    return connection.status();
  }
  return Lease(*this, *std::move(connection));
}

Pool::Load Pool::load() const {
  absl::MutexLock lock(&mutex_);
  return {.open = open_,
          .idle = static_cast<int>(idle_.size()),
          .waiting = waiting_,
          .waited = waited_,
          .failures = failures_};
}

void Pool::Release(std::unique_ptr<Connection> connection) {
  const bool good = connection->Usable() && !connection->InTransaction();
  if (!good) connection.reset();
  absl::MutexLock lock(&mutex_);
  if (good) {
    idle_.push_back(std::move(connection));
    return;
  }
  // The server went away: what idles has most likely lost it too.
  open_ -= 1 + static_cast<int>(idle_.size());
  idle_.clear();
}

absl::Status Pool::InTransaction(const std::function<absl::Status(Transaction&)>& body) {
  const auto once = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(Lease connection, Acquire());
    ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*connection));
    RETURN_IF_ERROR(body(transaction));
    return std::move(transaction).Commit();
  };
  absl::Status status = once();
  if (status.code() == absl::StatusCode::kAborted && !status.GetPayload("godwit/stale")) {
    return once();
  }
  return status;
}

absl::StatusOr<Result> Pool::Exec(const Statement& statement, const std::vector<Param>& params) {
  ASSIGN_OR_RETURN(Lease connection, Acquire());
  return connection->Exec(statement, params);
}

}  // namespace godwit::pg

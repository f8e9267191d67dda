// A bounded set of connections. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/pg/connection.h"

namespace godwit::pg {

class Pool {
 public:
  struct Options {
    std::string conninfo;
    int max_connections = 8;
    absl::Duration acquire_timeout = absl::Seconds(10);  // less when the thread has less time
    Connection::Limits limits{};
  };
  explicit Pool(Options options) : options_(std::move(options)) {}

  // Gives the connection back when destroyed; broken ones are thrown away. The pool must outlive
  // it.
  class Lease {
   public:
    Lease(Pool& pool, std::unique_ptr<Connection> connection)
        : pool_(&pool), connection_(std::move(connection)) {}
    Lease(Lease&& other) noexcept = default;
    ~Lease() {
      if (connection_ != nullptr) pool_->Release(std::move(connection_));
    }
    Connection& operator*() { return *connection_; }
    Connection* operator->() { return connection_.get(); }

   private:
    Pool* pool_;
    std::unique_ptr<Connection> connection_;
  };

  // UNAVAILABLE when the database cannot be reached or no connection became free in time.
  absl::StatusOr<Lease> Acquire();

  // Runs `body` in a transaction and commits. ABORTED (serialization, deadlock) is tried once more;
  // so `body` must have no effect but through the transaction.
  absl::Status InTransaction(const std::function<absl::Status(Transaction&)>& body);

  struct Load {
    int open = 0, idle = 0, waiting = 0;
    absl::Duration waited;      // for a connection, by all threads together
    std::int64_t failures = 0;  // of Acquire()
  };
  Load load() const;

  // One statement outside of a transaction.
  absl::StatusOr<Result> Exec(const Statement& statement, const std::vector<Param>& params = {});

 private:
  friend class Lease;
  void Release(std::unique_ptr<Connection> connection);

  const Options options_;
  mutable absl::Mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_ ABSL_GUARDED_BY(mutex_);
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration waited_ ABSL_GUARDED_BY(mutex_);
  std::int64_t failures_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace godwit::pg

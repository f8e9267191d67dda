// One PostgreSQL connection over libpq. Not thread-safe: one owner at a time.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace godwit::pg {

// A named SQL statement, prepared on first use of each connection. The name is also the metric
// label.
struct Statement {
  const char* name;
  const char* sql;
};

// A parameter in text form; nullopt is NULL.
using Param = std::optional<std::string>;

// Rows of an answer. Columns by position; the caller knows their types from its own SQL.
class Result {
 public:
  explicit Result(PGresult* result) : result_(result, &PQclear) {}
  int rows() const { return PQntuples(result_.get()); }
  // Rows an INSERT, UPDATE or DELETE touched.
  std::int64_t affected() const;
  bool IsNull(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
  absl::string_view Text(int row, int column) const;
  std::int64_t Int(int row, int column) const;  // 0 for NULL
  double Double(int row, int column) const;
  bool Bool(int row, int column) const;  // false for NULL
  // Of a column selected through `micros(...)`: microseconds since 1970; nullopt for NULL.
  std::optional<absl::Time> Time(int row, int column) const;
  // A bytea column (hex output form).
  std::string Bytes(int row, int column) const;

 private:
  std::unique_ptr<PGresult, void (*)(PGresult*)> result_;
};

// Parameter forms.
std::string Micros(absl::Time time);              // for to_timestamp($n::bigint / 1e6)
std::string BytesParam(absl::string_view bytes);  // for $n::bytea

// The status of an SQLSTATE: 40001, 40P01 -> ABORTED; 23505 -> ALREADY_EXISTS; 23503, 23514, 23502
// -> FAILED_PRECONDITION; 08xxx, 57P0x, 53300, 25006, 25P03 -> UNAVAILABLE; 53100 ->
// RESOURCE_EXHAUSTED; 57014 -> DEADLINE_EXCEEDED; else INTERNAL.
absl::StatusCode CodeOfSqlState(absl::string_view sqlstate);

class Connection {
 public:
  struct Limits {
    absl::Duration statement = absl::Seconds(30);  // kept by the server
    absl::Duration lock = absl::Seconds(30);       // of waiting for one lock; kept by the server
    // A session that does nothing in a transaction for so long is ended by the server: its process
    // stands still or is cut off, and others wait for its locks.
    absl::Duration idle = absl::Seconds(10);
  };
  // `conninfo` of libpq, PostgreSQL 14 or later; READ COMMITTED. Waits and errors: see Connect().
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& conninfo,
                                                          Limits limits);
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& conninfo) {
    return Open(conninfo, Limits());
  }
  ~Connection();

  // False after the server went away or an answer was given up: throw the connection away then. The
  // server notices within a second and gives up, too.
  bool Usable() const { return !given_up_ && PQstatus(connection_) == CONNECTION_OK; }
  bool InTransaction() const { return PQtransactionStatus(connection_) != PQTRANS_IDLE; }

  // Prepares on first use, then executes. DEADLINE_EXCEEDED: no answer while the thread had time
  // (DeadlineScope), or from a server that is out of reach; what it did is not known then.
  absl::StatusOr<Result> Exec(const Statement& statement, const std::vector<Param>& params = {});
  // One or more statements without parameters. It gets `least` also when the thread has less time.
  absl::Status Run(const std::string& sql, absl::Duration least = absl::ZeroDuration());

 private:
  Connection(PGconn* connection, absl::Duration patience)
      : connection_(connection), patience_(patience) {}
  absl::Status Fail(PGresult* result, absl::string_view what) const;
  absl::Status CheckTime(absl::string_view what) const;
  // The last result of what was sent (`sent`: as libpq's functions return it); null: see Fail().
  PGresult* Await(int sent, absl::Duration least);

  PGconn* connection_;
  const absl::Duration patience_;  // with a server that does not answer
  bool given_up_ = false;
  std::vector<std::string> prepared_;
};

// Rolls back unless Commit() succeeded. Borrows `connection`, which must outlive it.
class Transaction {
 public:
  static absl::StatusOr<Transaction> Begin(Connection& connection);
  Transaction(Transaction&& other) noexcept
      : connection_(std::exchange(other.connection_, nullptr)) {}
  ~Transaction();
  absl::StatusOr<Result> Exec(const Statement& statement, const std::vector<Param>& params = {}) {
    return connection_->Exec(statement, params);
  }
  Connection& connection() { return *connection_; }
  // UNKNOWN when the connection broke meanwhile: the outcome is not known; repeat only what is
  // idempotent.
  absl::Status Commit() &&;

 private:
  explicit Transaction(Connection& connection) : connection_(&connection) {}
  Connection* connection_;
};

}  // namespace godwit::pg

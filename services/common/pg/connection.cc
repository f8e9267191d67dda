#include "services/common/pg/connection.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/base/clock.h"
#include "services/common/base/deadline_scope.h"
#include "services/common/base/status_macros.h"
#include "services/common/pg/connect.h"

namespace godwit::pg {
namespace {

// The server's own limits come first, unless it cannot be heard.
constexpr absl::Duration kPatienceMargin = absl::Seconds(5);
// A transaction whose time is over must still be ended.
constexpr absl::Duration kForRollback = absl::Seconds(1);

}  // namespace

std::int64_t Result::affected() const {
  std::int64_t count = 0;
  return absl::SimpleAtoi(PQcmdTuples(result_.get()), &count) ? count : 0;
}

absl::string_view Result::Text(int row, int column) const {
  return absl::string_view(PQgetvalue(result_.get(), row, column),
                           static_cast<std::size_t>(PQgetlength(result_.get(), row, column)));
}

std::int64_t Result::Int(int row, int column) const {
  std::int64_t value = 0;
  return absl::SimpleAtoi(Text(row, column), &value) ? value : 0;
}

double Result::Double(int row, int column) const {
  double value = 0;
  return absl::SimpleAtod(Text(row, column), &value) ? value : 0;
}

bool Result::Bool(int row, int column) const { return Text(row, column) == "t"; }

std::optional<absl::Time> Result::Time(int row, int column) const {
  if (IsNull(row, column)) return std::nullopt;
  return absl::FromUnixMicros(Int(row, column));
}

std::string Result::Bytes(int row, int column) const {
  absl::string_view text = Text(row, column);
  absl::ConsumePrefix(&text, "\\x");
  return absl::HexStringToBytes(text);
}

std::string Micros(absl::Time time) { return absl::StrCat(absl::ToUnixMicros(time)); }

std::string BytesParam(absl::string_view bytes) {
  return absl::StrCat("\\x", absl::BytesToHexString(bytes));
}

absl::StatusCode CodeOfSqlState(absl::string_view state) {
  if (state == "40001" || state == "40P01") return absl::StatusCode::kAborted;
  if (state == "23505") return absl::StatusCode::kAlreadyExists;
  if (absl::StartsWith(state, "23")) return absl::StatusCode::kFailedPrecondition;
  if (state.empty() || absl::StartsWith(state, "08") || absl::StartsWith(state, "57P") ||
      state == "53300" || state == "25006" || state == "25P03") {
    return absl::StatusCode::kUnavailable;
  }
  if (state == "53100" || state == "53200") return absl::StatusCode::kResourceExhausted;
  if (state == "57014" || state == "55P03") return absl::StatusCode::kDeadlineExceeded;
  return absl::StatusCode::kInternal;
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& conninfo,
                                                             Limits limits) {
  // A server whose client has gone stops working for it, also while it waits for a lock; and it
  // takes its locks away from one that stands still or is cut off, before the leases of others end.
  // Stores lock rows and judge what they read then (docs/decisions/0049), whatever is set for the
  // database.
  const std::string options = absl::StrCat(
      "-c statement_timeout=", absl::ToInt64Milliseconds(limits.statement),
      " -c lock_timeout=", absl::ToInt64Milliseconds(limits.lock),
      " -c idle_in_transaction_session_timeout=", absl::ToInt64Milliseconds(limits.idle),
      " -c default_transaction_isolation=read\\ committed"
      " -c client_connection_check_interval=1000");
  ASSIGN_OR_RETURN(Handle handle, Connect(conninfo, options));
  PGconn* const raw = handle.release();
  PQsetNoticeProcessor(
      raw, [](void*, const char*) {}, nullptr);
  PQsetnonblocking(raw, 1);
  return std::unique_ptr<Connection>(new Connection(raw, limits.statement + kPatienceMargin));
}

Connection::~Connection() { PQfinish(connection_); }

absl::Status Connection::Fail(PGresult* result, absl::string_view what) const {
  if (given_up_) {
    return absl::DeadlineExceededError(
        absl::StrCat(what, ": the database did not answer in time; try again"));
  }
  const char* state = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* text =
      result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const char* constraint =
      result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
  const absl::Status status(
      CodeOfSqlState(state == nullptr ? "" : state),
      absl::StrCat(what, ": ", text == nullptr ? PQerrorMessage(connection_) : text,
                   constraint == nullptr ? "" : absl::StrCat(" (rule ", constraint, ")")));
  PQclear(result);
  return status;
}

absl::Status Connection::CheckTime(absl::string_view what) const {
  if (given_up_) return absl::UnavailableError(absl::StrCat(what, ": the connection was given up"));
  if (TimeLeft() > absl::ZeroDuration()) return absl::OkStatus();
  return absl::DeadlineExceededError(absl::StrCat(what, ": the caller's time is over"));
}

PGresult* Connection::Await(int sent, absl::Duration least) {
  const absl::Duration end =
      RealClock().Monotonic() + std::max(std::min(patience_, TimeLeft()), least);
  PGresult* last = nullptr;
  while (sent == 1) {
    const int unsent = PQflush(connection_);
    if (unsent < 0 || (unsent == 0 && PQisBusy(connection_) == 0)) {
      PGresult* const next = PQgetResult(connection_);
      if (next == nullptr) return last;
      PQclear(last);
      last = next;
      continue;
    }
    const absl::Duration left = end - RealClock().Monotonic();
    pollfd ready = {PQsocket(connection_),
                    static_cast<short>(unsent == 0 ? POLLIN : POLLIN | POLLOUT), 0};
    const int polled = left > absl::ZeroDuration()
                           ? poll(&ready, 1,
                                  static_cast<int>(absl::ToInt64Milliseconds(
                                      absl::Ceil(left, absl::Milliseconds(1)))))
                           : 0;
    if (polled == 0) {
      given_up_ = true;
      PQclear(last);
      return nullptr;
    }
    // What goes wrong here is in the next result.
    if (polled > 0 || errno != EINTR) PQconsumeInput(connection_);
  }
  return last;
}

absl::StatusOr<Result> Connection::Exec(const Statement& statement,
                                        const std::vector<Param>& params) {
  RETURN_IF_ERROR(CheckTime(statement.name));
  if (std::find(prepared_.begin(), prepared_.end(), statement.name) == prepared_.end()) {
    PGresult* const prepared =
        Await(PQsendPrepare(connection_, statement.name, statement.sql, 0, nullptr),
              absl::ZeroDuration());
    if (PQresultStatus(prepared) != PGRES_COMMAND_OK) return Fail(prepared, statement.name);
    PQclear(prepared);
    prepared_.push_back(statement.name);
  }
  std::vector<const char*> values;
  values.reserve(params.size());
  for (const Param& param : params) values.push_back(param ? param->c_str() : nullptr);
  PGresult* const result =
      Await(PQsendQueryPrepared(connection_, statement.name, static_cast<int>(values.size()),
                                values.data(), nullptr, nullptr, 0),
            absl::ZeroDuration());
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) return Fail(result, statement.name);
  return Result(result);
}

absl::Status Connection::Run(const std::string& sql, absl::Duration least) {
  if (least == absl::ZeroDuration() || given_up_) {
    RETURN_IF_ERROR(CheckTime(sql.substr(0, 60)));
  }
  PGresult* const result = Await(PQsendQuery(connection_, sql.c_str()), least);
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY) {
    return Fail(result, sql.substr(0, 60));
  }
  PQclear(result);
  return absl::OkStatus();
}

absl::StatusOr<Transaction> Transaction::Begin(Connection& connection) {
  RETURN_IF_ERROR(connection.Run("BEGIN"));
  return Transaction(connection);
}

Transaction::~Transaction() {
  if (connection_ != nullptr) connection_->Run("ROLLBACK", kForRollback).IgnoreError();
}

absl::Status Transaction::Commit() && {
  Connection& connection = *std::exchange(connection_, nullptr);
  absl::Status status = connection.Run("COMMIT");
  if (!status.ok() && !connection.Usable()) {
    return absl::UnknownError(
        absl::StrCat("outcome of the commit is not known: ", status.message()));
  }
  if (!status.ok()) connection.Run("ROLLBACK", kForRollback).IgnoreError();
  return status;
}

}  // namespace godwit::pg

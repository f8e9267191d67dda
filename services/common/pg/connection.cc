#include "services/common/pg/connection.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/base/status_macros.h"

namespace godwit::pg {

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
      state == "53300" || state == "25006") {
    return absl::StatusCode::kUnavailable;
  }
  if (state == "53100" || state == "53200") return absl::StatusCode::kResourceExhausted;
  if (state == "57014" || state == "55P03") return absl::StatusCode::kDeadlineExceeded;
  return absl::StatusCode::kInternal;
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& conninfo,
                                                             absl::Duration statement_timeout) {
  const std::string options =
      absl::StrCat("-c statement_timeout=", absl::ToInt64Milliseconds(statement_timeout),
                   " -c lock_timeout=", absl::ToInt64Milliseconds(statement_timeout),
                   " -c idle_in_transaction_session_timeout=60000");
  const char* keywords[] = {"dbname",           "connect_timeout", "keepalives_idle",
                            "tcp_user_timeout", "options",         nullptr};
  const char* values[] = {conninfo.c_str(), "5", "30", "30000", options.c_str(), nullptr};
  PGconn* raw = PQconnectdbParams(keywords, values, /*expand_dbname=*/1);
  std::unique_ptr<Connection> connection(new Connection(raw));
  if (raw == nullptr || PQstatus(raw) != CONNECTION_OK) {
    return absl::UnavailableError(
        absl::StrCat("PostgreSQL: ", raw == nullptr ? "out of memory" : PQerrorMessage(raw)));
  }
  PQsetNoticeProcessor(
      raw, [](void*, const char*) {}, nullptr);
  return connection;
}

Connection::~Connection() { PQfinish(connection_); }

absl::Status Connection::Fail(PGresult* result, absl::string_view what) const {
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

absl::StatusOr<Result> Connection::Exec(const Statement& statement,
                                        const std::vector<Param>& params) {
  if (std::find(prepared_.begin(), prepared_.end(), statement.name) == prepared_.end()) {
    PGresult* prepared = PQprepare(connection_, statement.name, statement.sql, 0, nullptr);
    if (PQresultStatus(prepared) != PGRES_COMMAND_OK) return Fail(prepared, statement.name);
    PQclear(prepared);
    prepared_.push_back(statement.name);
  }
  std::vector<const char*> values;
  values.reserve(params.size());
  for (const Param& param : params) values.push_back(param ? param->c_str() : nullptr);
  PGresult* result = PQexecPrepared(connection_, statement.name, static_cast<int>(values.size()),
                                    values.data(), nullptr, nullptr, 0);
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) return Fail(result, statement.name);
  return Result(result);
}

absl::Status Connection::Run(const std::string& sql) {
  PGresult* result = PQexec(connection_, sql.c_str());
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
  if (connection_ != nullptr) connection_->Run("ROLLBACK").IgnoreError();
}

absl::Status Transaction::Commit() && {
  Connection& connection = *std::exchange(connection_, nullptr);
  absl::Status status = connection.Run("COMMIT");
  if (!status.ok() && !connection.Usable()) {
    return absl::UnknownError(
        absl::StrCat("outcome of the commit is not known: ", status.message()));
  }
  if (!status.ok()) connection.Run("ROLLBACK").IgnoreError();
  return status;
}

}  // namespace godwit::pg

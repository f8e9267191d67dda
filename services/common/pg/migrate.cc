#include "services/common/pg/migrate.h"

#include <openssl/sha.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/common/base/status_macros.h"

namespace godwit::pg {
namespace {

// "godwit" in ASCII: every migrator takes this advisory lock.
constexpr char kLock[] = "SELECT pg_advisory_lock(113741868853620)";
constexpr char kUnlock[] = "SELECT pg_advisory_unlock(113741868853620)";

constexpr char kTable[] =
    "CREATE TABLE IF NOT EXISTS public.godwit_migrations ("
    " schema text NOT NULL, version integer NOT NULL, name text NOT NULL, sha256 text NOT NULL,"
    " applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (schema, version))";
constexpr Statement kApplied = {
    "migrate_applied",
    "SELECT sha256 FROM public.godwit_migrations WHERE schema = $1 AND version = $2::int"};
constexpr Statement kNewest = {
    "migrate_newest",
    "SELECT coalesce(max(version), 0) FROM public.godwit_migrations WHERE schema = $1"};
constexpr Statement kRecord = {"migrate_record",
                               "INSERT INTO public.godwit_migrations (schema, version, name, "
                               "sha256) VALUES ($1, $2::int, $3, $4)"};

std::string Fingerprint(absl::string_view text) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof digest));
}

// True when it had to be applied.
absl::StatusOr<bool> Apply(Connection& connection, const Migration& migration) {
  const std::string version = absl::StrCat(migration.version);
  const std::string hash = Fingerprint(migration.sql);
  ASSIGN_OR_RETURN(const Result applied, connection.Exec(kApplied, {migration.schema, version}));
  if (applied.rows() != 0) {
    if (applied.Text(0, 0) == hash) return false;
    return absl::FailedPreconditionError(absl::StrCat(
        "migration ", migration.schema, "/", migration.name,
        " was applied with another content: use the program that matches the database"));
  }
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(connection));
  RETURN_IF_ERROR(connection.Run(absl::StrCat("CREATE SCHEMA IF NOT EXISTS ", migration.schema,
                                              "; SET LOCAL search_path = ", migration.schema)));
  RETURN_IF_ERROR(Annotate(connection.Run(migration.sql),
                           absl::StrCat("migration ", migration.schema, "/", migration.name)));
  RETURN_IF_ERROR(
      transaction.Exec(kRecord, {migration.schema, version, migration.name, hash}).status());
  RETURN_IF_ERROR(std::move(transaction).Commit());
  return true;
}

absl::StatusOr<std::vector<std::string>> ApplyAll(Connection& connection,
                                                  const std::vector<Migration>& migrations) {
  RETURN_IF_ERROR(connection.Run(kTable));
  std::vector<std::string> done;
  for (std::size_t i = 0; i < migrations.size(); ++i) {
    const Migration& migration = migrations[i];
    ASSIGN_OR_RETURN(const bool applied, Apply(connection, migration));
    if (applied) done.push_back(absl::StrCat(migration.schema, "/", migration.name));
    const bool last = i + 1 == migrations.size() ||
                      absl::string_view(migrations[i + 1].schema) != migration.schema;
    if (!last) continue;
    ASSIGN_OR_RETURN(const Result newest, connection.Exec(kNewest, {migration.schema}));
    if (newest.Int(0, 0) > migration.version) {
      return absl::FailedPreconditionError(absl::StrFormat(
          "schema %s is at version %d, this program knows %d: use a newer godwit-migrate",
          migration.schema, newest.Int(0, 0), migration.version));
    }
  }
  return done;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> Migrate(Connection& connection,
                                                 const std::vector<Migration>& migrations) {
  RETURN_IF_ERROR(connection.Run(kLock));
  absl::StatusOr<std::vector<std::string>> done = ApplyAll(connection, migrations);
  connection.Run(kUnlock).IgnoreError();
  return done;
}

}  // namespace godwit::pg

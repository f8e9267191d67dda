#include "services/replication/coordinator/engine/verifications.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/replication/coordinator/domain/verification_report.h"
#include "services/replication/coordinator/store/point_request_store.h"
#include "services/replication/coordinator/store/point_store.h"
#include "services/replication/coordinator/store/server_store.h"
#include "services/replication/coordinator/store/verification_store.h"

namespace godwit::coordinator {
namespace {

constexpr char kDescription[] = "verified";
// A root hash may need the whole replica to be read, and a window may hold sending up.
constexpr absl::Duration kPointTimeout = absl::Hours(24);
constexpr absl::Duration kMostSilence = absl::Hours(24 * 7);
constexpr int kBatch = 100;

std::string NameOf(const std::string& server_id, const std::string& id) {
  return absl::StrCat("sourceServers/", server_id, "/verifications/", id);
}

// Asks for the point of a verification that has compared everything.
absl::Status AskForPoint(pg::Connection& connection, absl::Time now, Verification& verification) {
  verification.point_request_id = NewUuid();
  const auto asked = store::InsertPointRequest(connection, {.id = verification.point_request_id,
                                                            .server_id = verification.server_id,
                                                            .description = kDescription,
                                                            .timeout = kPointTimeout,
                                                            .root_hash = true});
  if (!absl::IsResourceExhausted(asked.status())) return asked.status();
  Fail(absl::StrCat("no point: ", std::string(asked.status().message())), now, verification);
  return absl::OkStatus();
}

// FAILED when the point is not what a verification needs.
absl::Status TakePoint(pg::Connection& connection, const store::PointRequest& request,
                       absl::Time now, Verification& verification, ReportFacts& facts) {
  const auto point = store::LoadPoint(connection, request.server_id, request.point_id);
  if (absl::IsNotFound(point.status())) {
    Fail("the point was deleted before the report was written", now, verification);
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(point);
  if (point->root_hash.empty()) {
    Fail("the worker made the point without a root hash", now, verification);
    return absl::OkStatus();
  }
  verification.state = VerificationState::kSucceeded;
  verification.point_id = point->id;
  verification.root_hash = point->root_hash;
  facts.epoch = point->epoch;
  facts.cut_time = point->cut_time;
  facts.consistency = point->consistency;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Verification> Verifications::Request(const std::string& server_id,
                                                    const std::string& id) {
  Verification out;
  RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    pg::Connection& connection = transaction.connection();
    ASSIGN_OR_RETURN(const Server server, store::LockServer(connection, server_id));
    ASSIGN_OR_RETURN(std::optional<Verification> known, store::FindVerification(connection, id));
    if (known && known->server_id != server_id) {
      return absl::InvalidArgumentError("request_id: was used for another server");
    }
    if (!known) {
      const std::string name = absl::StrCat("sourceServers/", server_id);
      if (server.wish != Wish::kReplicate) {
        return absl::FailedPreconditionError(
            absl::StrCat(name, " is paused, stopped or disconnected: nothing can be compared"));
      }
      if (server.latest_point_id.empty()) {
        return absl::FailedPreconditionError(
            absl::StrCat(name, " has no point yet: wait for the end of initial sync"));
      }
      ASSIGN_OR_RETURN(const auto active, store::ActiveVerification(connection, server_id));
      if (active) {
        return absl::FailedPreconditionError(
            absl::StrCat(NameOf(server_id, active->id), " is under way"));
      }
      RETURN_IF_ERROR(store::InsertVerification(connection, server_id, id));
      ASSIGN_OR_RETURN(known, store::FindVerification(connection, id));
    }
    out = *known;
    return absl::OkStatus();
  }));
  return out;
}

absl::StatusOr<Verification> Verifications::Get(const std::string& server_id,
                                                const std::string& id) {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  ASSIGN_OR_RETURN(std::optional<Verification> found, store::FindVerification(*connection, id));
  if (!found || found->server_id != server_id) return absl::NotFoundError(NameOf(server_id, id));
  return *std::move(found);
}

absl::StatusOr<std::vector<Verification>> Verifications::List(const std::string& server_id,
                                                              std::int64_t before, int limit) {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  RETURN_IF_ERROR(store::LoadServer(*connection, server_id));
  return store::ListVerifications(*connection, server_id, before, limit);
}

absl::Status Verifications::Settle() {
  std::vector<std::pair<std::string, std::string>> unsettled;
  {
    ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
    ASSIGN_OR_RETURN(unsettled, store::ListUnsettled(*connection, kMostSilence, kBatch));
  }
  for (const auto& [server_id, id] : unsettled) {
    RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) {
      return SettleOne(transaction.connection(), server_id, id);
    }));
  }
  return absl::OkStatus();
}

absl::Status Verifications::SettleOne(pg::Connection& connection, const std::string& server_id,
                                      const std::string& id) {
  ASSIGN_OR_RETURN(const Server server, store::LockServer(connection, server_id));
  ASSIGN_OR_RETURN(std::optional<Verification> verification,
                   store::FindVerification(connection, id));
  if (!verification || IsOver(verification->state)) return absl::OkStatus();
  if (verification->state != VerificationState::kMakingPoint) {
    if (server.now - verification->progress_time < kMostSilence) return absl::OkStatus();
    return FailVerification(connection, server,
                            absl::StrCat("nothing was heard of it for ",
                                         absl::ToInt64Hours(kMostSilence) / 24, " days"));
  }
  const auto request =
      store::LoadPointRequest(connection, server_id, verification->point_request_id);
  if (absl::IsNotFound(request.status())) {
    return FailVerification(connection, server, "no point: the request for it was forgotten");
  }
  RETURN_IF_ERROR(request);
  if (request->state == store::RequestState::kFailed) {
    return FailVerification(connection, server, absl::StrCat("no point: ", request->error_message));
  }
  if (request->state != store::RequestState::kSucceeded) return absl::OkStatus();
  ReportFacts facts{.disks = server.disks, .coordinator_version = version_, .end_time = server.now};
  RETURN_IF_ERROR(TakePoint(connection, *request, server.now, *verification, facts));
  if (verification->state == VerificationState::kSucceeded) {
    facts.verification = *verification;
    ASSIGN_OR_RETURN(verification->report, sign_(ReportText(facts)));
    Log(Severity::kInfo, "verification succeeded",
        {{"name", NameOf(server_id, id)},
         {"differences", absl::StrCat(verification->difference_count)},
         {"root_hash", verification->root_hash}});
  }
  return store::SaveVerification(connection, *verification);
}

absl::StatusOr<std::string> AdvanceVerification(pg::Connection& connection,
                                                const std::string& server_id, const Seen& seen) {
  ASSIGN_OR_RETURN(std::optional<Verification> active,
                   store::ActiveVerification(connection, server_id));
  if (!active || active->state == VerificationState::kMakingPoint) return std::string();
  Advance(seen, *active);
  if (active->state == VerificationState::kMakingPoint) {
    RETURN_IF_ERROR(AskForPoint(connection, seen.now, *active));
  }
  RETURN_IF_ERROR(store::SaveVerification(connection, *active));
  if (active->state == VerificationState::kFailed) {
    Log(Severity::kWarning, "verification failed",
        {{"name", NameOf(server_id, active->id)}, {"error", active->error_message}});
  }
  const bool wanted = seen.able && active->state == VerificationState::kComparing;
  return wanted ? active->id : std::string();
}

absl::Status FailVerification(pg::Connection& connection, const Server& server,
                              absl::string_view why) {
  ASSIGN_OR_RETURN(std::optional<Verification> active,
                   store::ActiveVerification(connection, server.id));
  if (!active) return absl::OkStatus();
  Fail(why, server.now, *active);
  Log(Severity::kWarning, "verification failed",
      {{"name", NameOf(server.id, active->id)}, {"error", active->error_message}});
  return store::SaveVerification(connection, *active);
}

}  // namespace godwit::coordinator

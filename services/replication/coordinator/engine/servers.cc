#include "services/replication/coordinator/engine/servers.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/replication/coordinator/domain/replication_state.h"
#include "services/replication/coordinator/engine/verifications.h"
#include "services/replication/coordinator/store/order_store.h"
#include "services/replication/coordinator/store/point_request_store.h"
#include "services/replication/coordinator/store/request_store.h"
#include "services/replication/coordinator/store/server_store.h"
#include "services/replication/coordinator/store/worker_store.h"

namespace godwit::coordinator {
namespace {

absl::Status WrongWish(const Server& server, absl::string_view verb, absl::string_view helpful) {
  constexpr const char* kWords[] = {"", "replicating", "paused", "stopped", "disconnected"};
  return absl::FailedPreconditionError(absl::StrCat("sourceServers/", server.id, "/replication is ",
                                                    kWords[static_cast<int>(server.wish)], ": ",
                                                    verb, " is not possible", helpful));
}

// Judges anew after a change of the wish and gives the row.
absl::StatusOr<Server> Refresh(pg::Connection& connection, const std::string& id) {
  ASSIGN_OR_RETURN(const Server server, store::LoadServer(connection, id));
  const Verdict verdict = Judge(server);
  RETURN_IF_ERROR(store::SaveVerdict(connection, server, verdict.state, verdict.cause,
                                     verdict.message, verdict.transferring, false));
  return store::LoadServer(connection, id);
}

}  // namespace

absl::StatusOr<Server> Servers::Verb(
    const std::string& id, const std::string& request_id, const std::string& body,
    const std::function<absl::Status(pg::Connection&, const Server&)>& change) {
  Server out;
  RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    pg::Connection& connection = transaction.connection();
    ASSIGN_OR_RETURN(const Server before, store::LockServer(connection, id));
    ASSIGN_OR_RETURN(const bool is_new,
                     store::RememberRequest(connection, request_id, absl::StrCat(id, " ", body)));
    if (is_new) RETURN_IF_ERROR(change(connection, before));
    ASSIGN_OR_RETURN(out, is_new ? Refresh(connection, id) : store::LoadServer(connection, id));
    return absl::OkStatus();
  }));
  return out;
}

absl::StatusOr<Server> Servers::Start(const std::string& id, const std::string& request_id) {
  Server out;
  RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    pg::Connection& connection = transaction.connection();
    const absl::StatusOr<Server> before = store::LockServer(connection, id);
    if (!before.ok() && !absl::IsNotFound(before.status())) return before.status();
    ASSIGN_OR_RETURN(const bool is_new,
                     store::RememberRequest(connection, request_id, absl::StrCat(id, " start")));
    if (is_new || !before.ok()) {
      if (before.ok() && !before->store_id.empty()) {
        ASSIGN_OR_RETURN(const bool removing,
                         store::HasOpenOrder(connection, id, store::OrderKind::kRemoveStaging,
                                             before->store_id));
        if (removing) {
          return absl::UnavailableError(
              absl::StrCat("sourceServers/", id,
                           ": the staging of its former stay is being removed; try again"));
        }
      }
      RETURN_IF_ERROR(store::StartServer(connection, id));
    }
    ASSIGN_OR_RETURN(out, Refresh(connection, id));
    return absl::OkStatus();
  }));
  Log(Severity::kInfo, "replication started", {{"server", id}});
  return out;
}

absl::StatusOr<Server> Servers::End(const std::string& id, const std::string& request_id,
                                    const EndOptions& options) {
  const std::string body = absl::StrCat("end ", options.stop_only, " ", options.keep_agent, " ",
                                        absl::ToInt64Seconds(options.undo_window));
  return Verb(id, request_id, body,
              [&](pg::Connection& connection, const Server& before) -> absl::Status {
                if (options.stop_only && before.wish == Wish::kDisconnect) return absl::OkStatus();
                const char* why =
                    options.stop_only ? "replication was stopped" : "the server was disconnected";
                RETURN_IF_ERROR(store::FailPointRequests(connection, id, why));
                RETURN_IF_ERROR(FailVerification(connection, before, why));
                if (options.stop_only) {
                  return store::SetWish(connection, id, Wish::kStop, true, std::nullopt);
                }
                return store::SetWish(connection, id, Wish::kDisconnect, options.keep_agent,
                                      before.now + options.undo_window);
              });
}

absl::StatusOr<Server> Servers::Pause(const std::string& id, const std::string& request_id) {
  return Verb(id, request_id, "pause",
              [&](pg::Connection& connection, const Server& before) -> absl::Status {
                if (before.wish == Wish::kPause) return absl::OkStatus();
                if (before.wish != Wish::kReplicate)
                  return WrongWish(before, "PauseReplication", "");
                RETURN_IF_ERROR(store::FailPointRequests(connection, id, "replication was paused"));
                return store::SetWish(connection, id, Wish::kPause, false, std::nullopt);
              });
}

absl::StatusOr<Server> Servers::Resume(const std::string& id, const std::string& request_id) {
  return Verb(id, request_id, "resume",
              [&](pg::Connection& connection, const Server& before) -> absl::Status {
                if (before.wish == Wish::kReplicate) return absl::OkStatus();
                if (before.wish != Wish::kPause) {
                  return WrongWish(before, "ResumeReplication", "; call StartReplication");
                }
                return store::SetWish(connection, id, Wish::kReplicate, false, std::nullopt);
              });
}

absl::StatusOr<Server> Servers::Retry(const std::string& id, const std::string& request_id) {
  return Verb(
      id, request_id, "retry",
      [&](pg::Connection& connection, const Server& before) -> absl::Status {
        if (before.state != State::kStalled) {
          return absl::FailedPreconditionError(absl::StrCat(
              "sourceServers/", id, "/replication is not stalled: there is nothing to retry"));
        }
        return store::BeginAttempt(connection, id);
      });
}

absl::StatusOr<Worker> Servers::SetDraining(const std::string& worker_id,
                                            const std::string& request_id, bool draining) {
  Worker out;
  RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    pg::Connection& connection = transaction.connection();
    ASSIGN_OR_RETURN(const bool is_new,
                     store::RememberRequest(connection, request_id,
                                            absl::StrCat(worker_id, " draining ", draining)));
    if (is_new) RETURN_IF_ERROR(store::SetDraining(connection, worker_id, draining));
    ASSIGN_OR_RETURN(out, store::LoadWorker(connection, worker_id));
    return absl::OkStatus();
  }));
  return out;
}

}  // namespace godwit::coordinator

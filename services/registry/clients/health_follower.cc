#include "services/registry/clients/health_follower.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/base/clock.h"
#include "services/common/base/ids.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"
#include "services/registry/storage/health_store.h"

namespace godwit::registry {
namespace {

namespace pb = ::godwit::replication::v1;

constexpr int kPage = 500;
constexpr int kMostPages = 1000;
constexpr int kShare = 20;  // looks take at most a twentieth of the time

ServerHealth HealthOf(const pb::Replication& replication, absl::Duration lagging) {
  if (replication.state() == pb::Replication::STALLED) return ServerHealth::kStalled;
  const absl::Duration lag =
      absl::Seconds(replication.lag().seconds()) + absl::Nanoseconds(replication.lag().nanos());
  const bool lags =
      replication.state() == pb::Replication::BACKLOG || (replication.has_lag() && lag >= lagging);
  return lags ? ServerHealth::kLagging : ServerHealth::kHealthy;
}

// By server; what has no proper name is nobody's.
std::vector<storage::ServerHealthRow> RowsOf(const pb::ListReplicationsResponse& page,
                                             absl::Duration lagging) {
  std::map<std::string, ServerHealth> found;
  for (const pb::Replication& replication : page.replications()) {
    absl::string_view id = replication.name();
    if (absl::ConsumePrefix(&id, "sourceServers/") && absl::ConsumeSuffix(&id, "/replication") &&
        CheckId("name", "s-", id).ok()) {
      found[std::string(id)] = HealthOf(replication, lagging);
    }
  }
  std::vector<storage::ServerHealthRow> rows;
  for (const auto& [server, health] : found) rows.push_back({server, health});
  return rows;
}

}  // namespace

HealthFollower::HealthFollower(pg::Pool& pool, std::shared_ptr<grpc::Channel> replication,
                               Options options)
    : pool_(pool), replication_(std::move(replication)), options_(options) {}

HealthFollower::~HealthFollower() { Stop(); }

void HealthFollower::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void HealthFollower::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

bool HealthFollower::Stopping() {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

absl::Status HealthFollower::Look() {
  const auto stub = pb::ReplicationService::NewStub(replication_);
  pb::ListReplicationsRequest request;
  request.set_page_size(kPage);
  for (int i = 0; i < kMostPages && !Stopping(); ++i) {
    grpc::ClientContext context;
    rpc::SetTimeout(context, options_.call_timeout);
    pb::ListReplicationsResponse page;
    RETURN_IF_ERROR(rpc::FromGrpc(stub->ListReplications(&context, request, &page)));
    const std::vector<storage::ServerHealthRow> rows = RowsOf(page, options_.lag);
    if (!rows.empty()) {
      ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
      RETURN_IF_ERROR(storage::SaveHealth(*connection, rows));
    }
    if (page.next_page_token().empty()) break;
    request.set_page_token(page.next_page_token());
  }
  return absl::OkStatus();
}

void HealthFollower::Loop() {
  bool failed = false;
  while (!Stopping()) {
    const absl::Time start = SteadyNow();
    const absl::Status status = Look();
    if (!status.ok() && !failed) {
      Log(Severity::kWarning, "health of replication is not to be had; groups show the last known",
          {{"error", status.ToString()}});
    }
    failed = !status.ok();
    const absl::Duration pause = std::max(options_.pause, kShare * (SteadyNow() - start));
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&stopping_), pause);
  }
}

}  // namespace godwit::registry

#include "bench/programs/fleet_readers.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/rpc/identity.h"

namespace godwit::bench {
namespace {

namespace registry_pb = ::godwit::registry::v1;
namespace replication_pb = ::godwit::replication::v1;

constexpr int kPage = 500, kPages = 2;
constexpr absl::Duration kCallTime = absl::Seconds(30);
constexpr char kTag[] = "bench";

template <typename Body>
void Every(absl::Duration period, const std::stop_token& stop, const Body& body) {
  while (!stop.stop_requested()) {
    const absl::Time from = absl::Now();
    body();
    while (!stop.stop_requested() && absl::Now() - from < period)
      absl::SleepFor(std::min(period, absl::Milliseconds(20)));
  }
}

template <typename Body>
void Timed(Latencies& latencies, const Body& body) {
  const absl::Time from = absl::Now();
  const bool ok = body();
  latencies.Add(absl::Now() - from);
  if (!ok) latencies.Fail();
}

// Two pages by `call`, a method of a stub.
template <typename Request, typename Response, typename Stub>
bool ListThousand(Stub& stub,
                  grpc::Status (Stub::*call)(grpc::ClientContext*, const Request&, Response*)) {
  Request request;
  request.set_page_size(kPage);
  for (int page = 0; page < kPages; ++page) {
    grpc::ClientContext context;
    rpc::SetTimeout(context, kCallTime);
    Response response;
    if (!(stub.*call)(&context, request, &response).ok()) return false;
    if (response.next_page_token().empty()) break;
    request.set_page_token(response.next_page_token());
  }
  return true;
}

}  // namespace

FleetReaders::FleetReaders(Options options) : options_(std::move(options)) {
  servers_ = registry_pb::SourceServerService::NewStub(
      rpc::Dial(options_.registry, *rpc::ParsePrincipal("service/registry"), options_.tls));
  replications_ = replication_pb::ReplicationService::NewStub(
      rpc::Dial(options_.replication, *rpc::ParsePrincipal("service/replication"), options_.tls));
  watching_ = std::make_unique<grpc::ClientContext>();
  threads_.emplace_back([this](const std::stop_token& stop) { KeepListing(stop); });
  threads_.emplace_back([this](const std::stop_token& stop) { KeepGetting(stop); });
  threads_.emplace_back([this](const std::stop_token& stop) { KeepTouching(stop); });
  threads_.emplace_back([this] { KeepWatching(); });
}

FleetReaders::~FleetReaders() {
  for (std::jthread& thread : threads_) thread.request_stop();
  watching_->TryCancel();
}

void FleetReaders::KeepListing(const std::stop_token& stop) {
  Every(options_.list_every, stop, [&] {
    Timed(list_servers, [&] {
      return ListThousand<registry_pb::ListSourceServersRequest,
                          registry_pb::ListSourceServersResponse>(
          *servers_, &registry_pb::SourceServerService::Stub::ListSourceServers);
    });
    Timed(list_replications, [&] {
      return ListThousand<replication_pb::ListReplicationsRequest,
                          replication_pb::ListReplicationsResponse>(
          *replications_, &replication_pb::ReplicationService::Stub::ListReplications);
    });
  });
}

void FleetReaders::KeepGetting(const std::stop_token& stop) {
  std::size_t next = 0;
  Every(options_.get_every, stop, [&] {
    const std::string& name = options_.servers[next++ % options_.servers.size()];
    Timed(get_server, [&] {
      grpc::ClientContext context;
      rpc::SetTimeout(context, kCallTime);
      registry_pb::GetSourceServerRequest request;
      request.set_name(name);
      registry_pb::SourceServer response;
      return servers_->GetSourceServer(&context, request, &response).ok();
    });
    Timed(get_replication, [&] {
      grpc::ClientContext context;
      rpc::SetTimeout(context, kCallTime);
      replication_pb::GetReplicationRequest request;
      request.set_name(absl::StrCat(name, "/replication"));
      replication_pb::Replication response;
      return replications_->GetReplication(&context, request, &response).ok();
    });
  });
}

void FleetReaders::KeepTouching(const std::stop_token& stop) {
  std::int64_t count = 0;
  Every(options_.touch_every, stop, [&] {
    registry_pb::UpdateSourceServerRequest request;
    registry_pb::SourceServer& server = *request.mutable_source_server();
    server.set_name(options_.servers[static_cast<std::size_t>(++count) % options_.servers.size()]);
    const std::string value = absl::StrCat(count, "-", absl::ToUnixNanos(absl::Now()));
    (*server.mutable_tags())[kTag] = value;
    request.mutable_update_mask()->add_paths("tags");
    {
      absl::MutexLock lock(&mutex_);
      awaited_ = value;
      changed_ = told_ = absl::InfinitePast();
    }
    grpc::ClientContext context;
    rpc::SetTimeout(context, kCallTime);
    registry_pb::SourceServer response;
    if (!servers_->UpdateSourceServer(&context, request, &response).ok()) return watch.Fail();
    absl::MutexLock lock(&mutex_);
    changed_ = absl::Now();
    const auto told = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return told_ != absl::InfinitePast();
    };
    if (mutex_.AwaitWithTimeout(absl::Condition(&told), absl::Seconds(20))) {
      // The stream may be faster than the answer.
      watch.Add(std::max(told_ - changed_, absl::ZeroDuration()));
    } else {
      watch.Fail();
    }
  });
}

void FleetReaders::KeepWatching() {
  const auto stream =
      servers_->WatchSourceServers(watching_.get(), registry_pb::WatchSourceServersRequest());
  registry_pb::SourceServer server;
  while (stream->Read(&server)) {
    const auto tag = server.tags().find(kTag);
    if (tag == server.tags().end()) continue;
    absl::MutexLock lock(&mutex_);
    if (tag->second == awaited_ && told_ == absl::InfinitePast()) told_ = absl::Now();
  }
  stream->Finish();
}

}  // namespace godwit::bench

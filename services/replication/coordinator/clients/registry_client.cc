#include "services/replication/coordinator/clients/registry_client.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"
#include "services/replication/coordinator/domain/retention.h"

namespace godwit::coordinator {
namespace {

namespace pb = ::godwit::registry::v1;

constexpr absl::Duration kCacheTime = absl::Seconds(5);
constexpr absl::Duration kCallTime = absl::Seconds(2);
constexpr absl::Duration kAway = absl::Seconds(1);
constexpr std::size_t kMostAsked = 500;
constexpr std::size_t kMostCached = 100000;
constexpr int kMaxLanes = 8;
constexpr int kMaxWeight = 100;
constexpr int kMinutesOfDay = 24 * 60;

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

// The same settings always give the same bytes.
std::string Serialize(const pb::ReplicationSettings& settings) {
  std::string out;
  google::protobuf::io::StringOutputStream stream(&out);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  settings.SerializeToCodedStream(&coded);
  coded.Trim();
  return out;
}

}  // namespace

std::vector<RegistryClient::Facts> RegistryClient::Ask(const std::vector<std::string>& ids) {
  pb::ListReplicationFactsRequest request;
  for (const std::string& id : ids) {
    request.add_source_servers(absl::StrCat("sourceServers/", id));
  }
  pb::ListReplicationFactsResponse response;
  grpc::ClientContext context;
  rpc::SetTimeout(context, kCallTime);
  const absl::Status status =
      rpc::FromGrpc(pb::RegistryEventService::NewStub(channel_)->ListReplicationFacts(
          &context, request, &response));
  if (!status.ok()) return std::vector<Facts>(ids.size(), status);
  std::map<std::string, ServerFacts> known;
  for (const pb::ReplicationFacts& facts : response.facts()) {
    const pb::ReplicationSettings& settings = facts.replication_settings();
    known[facts.source_server()] = {
        .revoked = facts.identity_revoked(),
        .agent_allowed = facts.agent_allowed(),
        .settings = Serialize(settings),
        .worker_labels = {settings.worker_labels().begin(), settings.worker_labels().end()}};
  }
  std::vector<Facts> out;
  for (int i = 0; i < request.source_servers_size(); ++i) {
    const auto found = known.find(request.source_servers(i));
    out.push_back(found != known.end() ? Facts(found->second)
                                       : Facts(absl::NotFoundError(request.source_servers(i))));
  }
  return out;
}

std::vector<RegistryClient::Facts> RegistryClient::Describe(
    const std::vector<std::string>& server_ids) {
  std::vector<Facts> out(server_ids.size(), absl::UnavailableError("the registry is away"));
  std::vector<std::size_t> missing;
  {
    const absl::Duration now = clock_.Monotonic();
    absl::MutexLock lock(&mutex_);
    for (std::size_t i = 0; i < server_ids.size(); ++i) {
      const auto found = cache_.find(server_ids[i]);
      if (found != cache_.end() && now - found->second.asked < kCacheTime) {
        out[i] = found->second.facts;
      } else if (now >= away_until_) {
        missing.push_back(i);
      }
    }
  }
  for (std::size_t from = 0; from < missing.size(); from += kMostAsked) {
    const std::size_t end = std::min(missing.size(), from + kMostAsked);
    std::vector<std::string> ids;
    for (std::size_t i = from; i < end; ++i) ids.push_back(server_ids[missing[i]]);
    const std::vector<Facts> facts = Ask(ids);
    const absl::Duration now = clock_.Monotonic();
    absl::MutexLock lock(&mutex_);
    if (cache_.size() + ids.size() > kMostCached) cache_.clear();
    for (std::size_t i = 0; i < ids.size(); ++i) {
      out[missing[from + i]] = facts[i];
      if (facts[i].ok() || absl::IsNotFound(facts[i].status())) {
        cache_.insert_or_assign(ids[i], Cached{now, facts[i]});
      } else {
        away_until_ = now + kAway;
      }
    }
  }
  return out;
}

absl::Status RegistryClient::ReportInitialSyncDone(const std::string& server_id,
                                                   const std::string& point_id,
                                                   const std::string& request_id) {
  pb::ReportInitialSyncDoneRequest request;
  request.set_source_server(absl::StrCat("sourceServers/", server_id));
  request.set_point(absl::StrCat("sourceServers/", server_id, "/points/", point_id));
  request.set_request_id(request_id);
  pb::ReportResponse response;
  grpc::ClientContext context;
  rpc::SetTimeout(context, absl::Seconds(10));
  return rpc::FromGrpc(pb::RegistryEventService::NewStub(channel_)->ReportInitialSyncDone(
      &context, request, &response));
}

Settings DecodeReplicationSettings(const std::string& settings, absl::Time now) {
  pb::ReplicationSettings in;
  if (!in.ParseFromString(settings)) in.Clear();
  Settings out;
  std::vector<BandwidthWindow> windows;
  for (const pb::BandwidthWindow& window : in.bandwidth_windows()) {
    windows.push_back({.start_minute = std::clamp(window.start_minute(), 0, kMinutesOfDay),
                       .end_minute = std::clamp(window.end_minute(), 0, kMinutesOfDay),
                       .weekday_mask = window.weekday_mask(),
                       .limit_bytes_per_second = window.limit_bytes_per_second()});
  }
  out.bandwidth = BandwidthAt(in.bandwidth_limit_bytes_per_second(), windows, now);
  out.lane_count = std::clamp(in.lane_count(), 1, kMaxLanes);
  out.share_weight = std::clamp(in.share_weight(), 1, kMaxWeight);
  out.cut_interval = ToDuration(in.cut_interval());
  if (ToDuration(in.freeze_budget()) > absl::ZeroDuration()) {
    out.freeze_budget = std::min(ToDuration(in.freeze_budget()), absl::Seconds(5));
  }
  out.never_freeze = in.never_freeze();
  out.encrypt_staging = in.encrypt_staging();
  for (const pb::RetentionRule& rule : in.retention()) {
    out.retention.push_back({ToDuration(rule.every()), ToDuration(rule.age())});
  }
  if (out.retention.empty()) out.retention = DefaultRetention();
  return out;
}

}  // namespace godwit::coordinator

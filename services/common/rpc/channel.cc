#include "services/common/rpc/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/common/base/deadline_scope.h"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"
#include "services/common/base/json_log.h"
#include "services/common/base/request_scope.h"
#include "services/common/base/standstill.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/access.h"
#include "services/common/rpc/caller.h"
#include "services/common/rpc/credentials.h"
#include "services/common/rpc/health.h"
#include "services/common/rpc/lifeline.h"
#include "services/common/rpc/method.h"
#include "services/common/rpc/quotas.h"
#include "services/common/rpc/serve.h"

namespace godwit::rpc {
namespace {

constexpr std::size_t kMaxPemBytes = 256 * 1024;
// Calls: a copy that hangs is left within 10 s, before any lease of 15 s has ended.
constexpr int kCallKeepaliveMs = 5'000;
constexpr int kCallKeepaliveTimeoutMs = 5'000;
// Streams of data: a ping waits behind the megabytes that a slow line has to carry first.
constexpr int kDataKeepaliveMs = 20'000;
constexpr int kDataKeepaliveTimeoutMs = 10'000;
// Pings that come more often end a connection: half of what callers keep to.
constexpr int kLeastPingIntervalMs = 2'500;
constexpr absl::Duration kFirstBackoff = absl::Milliseconds(100);
constexpr absl::Duration kLastBackoff = absl::Seconds(5);

absl::StatusOr<std::string> ReadPem(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path, kMaxPemBytes);
  if (text.ok()) return text;
  return Annotate(
      text.status(),
      "TLS material (make it with `godwit-registry ca-issue --identity KIND/ID --out DIR`)");
}

// gRPC measures the line of a connection with pings of its own, after nearly every call on one that
// is used now and then. A window of one size costs nothing, and lists fit into it.
constexpr int kCallWindowBytes = 1 << 20;
template <typename Set>
void SetWindow(Traffic traffic, const Set& set) {
  if (traffic == Traffic::kData) return;
  set(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  set(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kCallWindowBytes);
}

grpc::ChannelArguments Arguments(const Identity& peer, Traffic traffic) {
  const bool data = traffic == Traffic::kData;
  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride(peer.DnsName());
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // Connected to all copies at once: the next call is for the next one, whatever the last one met.
  // Streams of data have one address, and a connection that ended is not for them to open again.
  if (!data) arguments.SetLoadBalancingPolicyName("round_robin");
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, data ? kDataKeepaliveMs : kCallKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                   data ? kDataKeepaliveTimeoutMs : kCallKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  // Also the time an attempt may take: a TLS handshake with a busy machine needs seconds.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 15000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5000);
  arguments.SetMaxReceiveMessageSize(8 * 1024 * 1024);
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  SetWindow(traffic, [&](const char* name, int value) { arguments.SetInt(name, value); });
  return arguments;
}

}  // namespace

absl::StatusOr<TlsMaterial> LoadTls(const std::string& dir) {
  TlsMaterial tls;
  ASSIGN_OR_RETURN(tls.certificate_chain, ReadPem(dir + "/tls.crt"));
  ASSIGN_OR_RETURN(tls.private_key, ReadPem(dir + "/tls.key"));
  ASSIGN_OR_RETURN(tls.ca, ReadPem(dir + "/ca.crt"));
  return tls;
}

absl::StatusOr<TlsMaterial> LoadWatchedTls(const std::string& dir) {
  absl::StatusOr<TlsMaterial> tls = LoadTls(dir);
  if (tls.ok()) tls->dir = dir;
  return tls;
}

Server::Server(std::unique_ptr<grpc::Server> server, int port)
    : server_(std::move(server)), port_(port) {}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      std::vector<grpc::Service*> services) {
  static const bool plugins_ready = [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    return true;
  }();
  (void)plugins_ready;
  WatchStandstill();

  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(
      options.listen, ServerCredentials(options.tls, options.client_auth == ClientAuth::kRequired),
      &port);
  grpc::ResourceQuota quota("godwit");
  quota.SetMaxThreads(options.max_threads);
  builder.SetResourceQuota(quota);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 4);
  builder.SetMaxReceiveMessageSize(options.max_message_bytes);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kLeastPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Nobody asks for gRPC's own records of connections, which cost memory for each and time at
  // calls.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  SetWindow(options.traffic,
            [&](const char* name, int value) { builder.AddChannelArgument(name, value); });
  for (grpc::Service* service : services) builder.RegisterService(service);
  std::vector<std::string> names;
  TellMethods(builder, options.scopes, &names);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return absl::UnavailableError(absl::StrCat(
        "cannot serve on ", options.listen,
        ": is the address right, the port free, and do certificate and key belong together?"));
  }
  if (const absl::Status known = CheckServices(names); !known.ok()) {
    server->Shutdown();
    return known;
  }
  server->GetHealthCheckService()->SetServingStatus(kLiveService, true);
  return std::unique_ptr<Server>(new Server(std::move(server), port));
}

Server::~Server() { Stop(); }

void Server::SetServing(bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(serving);
  server_->GetHealthCheckService()->SetServingStatus(kLiveService, true);
}

absl::Status Server::AskItself(absl::Duration patience) {
  // ServerReflectionRequest.list_services, field 7: reflection is a service like ours, on the same
  // threads; health is not.
  const absl::Status status =
      RawCall(server_->InProcessChannel(grpc::ChannelArguments()),
              "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
              std::string("\x3a\x00", 2), patience)
          .status();
  return absl::IsDeadlineExceeded(status) ? status : absl::OkStatus();
}

void Server::Stop(absl::Duration grace) {
  SetServing(false);
  server_->Shutdown(absl::ToChronoTime(absl::Now() + grace));
  server_->Wait();
}

std::shared_ptr<grpc::Channel> Dial(const std::string& endpoint, const Identity& peer,
                                    const TlsMaterial& tls, Traffic traffic) {
  return grpc::CreateCustomChannel(endpoint, ChannelCredentials(tls), Arguments(peer, traffic));
}

std::shared_ptr<grpc::Channel> DialWithoutCertificate(const std::string& endpoint,
                                                      const Identity& peer,
                                                      const std::string& ca_pem) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = ca_pem;
  return grpc::CreateCustomChannel(endpoint, grpc::SslCredentials(options),
                                   Arguments(peer, Traffic::kCalls));
}

void SetTimeout(grpc::ClientContext& context, absl::Duration timeout) {
  // Nobody waits for it longer than that.
  context.set_deadline(absl::ToChronoTime(absl::Now() + std::min(timeout, TimeLeft())));
  if (!CurrentRequestId().empty()) context.AddMetadata(kRequestIdKey, CurrentRequestId());
}

absl::Status Retry(absl::Duration total, const std::function<absl::Status()>& call) {
  const absl::Time end = SteadyNow() + total;
  absl::Duration backoff = kFirstBackoff;
  while (true) {
    absl::Status status = call();
    // A quota makes no room by itself within a retry.
    const bool busy = status.code() == absl::StatusCode::kResourceExhausted &&
                      GetInfo(status).reason != kQuotaExceeded;
    // A server that stops answers CANCELLED to calls that it had not begun.
    const bool again = busy || status.code() == absl::StatusCode::kUnavailable ||
                       status.code() == absl::StatusCode::kCancelled;
    std::uint8_t jitter = 0;
    RandomBytes({&jitter, 1});
    const absl::Duration wait = backoff * (0.5 + jitter / 256.0);
    if (!again || SteadyNow() + wait > end) return status;
    absl::SleepFor(wait);
    backoff = std::min(backoff * 2, kLastBackoff);
  }
}

}  // namespace godwit::rpc

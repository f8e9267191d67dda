// Every method that the running services tell by reflection, called with an empty request by every
// role: who gets through is what the access table says, and nobody else. Prints the matrix.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/empty.pb.h>
#include <google/protobuf/unknown_field_set.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "godwit/replication/v1/block_stream.grpc.pb.h"
#include "services/common/pg/connection.h"
#include "services/common/rpc/access.h"
#include "services/common/rpc/caller.h"
#include "services/common/rpc/serve.h"
#include "tests/support/mini_cluster.h"
#include "tests/support/status_matchers.h"

namespace godwit {
namespace {

using ::godwit::testing::MiniCluster;

constexpr int kMostInFlight = 16;
// Watches that are let in stay open until this is over.
constexpr absl::Duration kWatchTime = absl::Seconds(2);
constexpr absl::Duration kDeadline = absl::Seconds(20);

struct Column {
  std::string title;
  std::string principal;     // of the certificate; empty: none
  std::string on_behalf_of;  // empty: for itself
  std::uint32_t bit;         // of the access table
};
const Column kColumns[] = {
    {"nobody", "", "", 0},
    {"agent", "agent/s-0000000000000000a", "", rpc::kAgents},
    {"worker", "worker/w-0000000000000000b", "", rpc::kWorkers},
    {"conv-worker", "conversion-worker/other", "", rpc::kConversionWorkers},
    {"service", "service/jobs", "", rpc::kServices},
    {"viewer", "user/viewer/v", "", rpc::kViewers},
    {"operator", "user/operator/o", "", rpc::kOperators},
    {"admin", "user/admin/a", "", rpc::kAdmins},
    {"gateway", "service/gateway", "", rpc::kGateway},
    {"gw>viewer", "service/gateway", "user/viewer/v", rpc::kViewers},
    {"gw>operator", "service/gateway", "user/operator/o", rpc::kOperators},
    {"gw>admin", "service/gateway", "user/admin/a", rpc::kAdmins},
    {"gw>service", "service/gateway", "service/jobs", 0},
    {"gw>agent", "service/gateway", "agent/s-0000000000000000a", 0},
    {"admin>admin", "user/admin/a", "user/admin/b", 0},
};
constexpr int kColumnCount = std::size(kColumns);

struct Answer {
  absl::Status status;
  bool came = false;
};

bool IsStream(std::string method) {
  std::replace(method.begin(), method.end(), '/', '.');
  const auto* const found =
      google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(method);
  return found->server_streaming() || found->client_streaming();
}

grpc::ByteBuffer Bytes(const std::string& text) {
  grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}

std::string Text(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string text;
  if (!buffer.Dump(&slices).ok()) return text;
  for (const grpc::Slice& slice : slices) {
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return text;
}

// Names of the services behind a channel: ServerReflection/ServerReflectionInfo, list_services.
std::vector<std::string> ServicesOf(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  rpc::SetTimeout(context, absl::Seconds(20));
  grpc::ByteBuffer request = Bytes(std::string("\x3a\x00", 2)), response;  // field 7, empty
  absl::BlockingCounter done(1);
  grpc::Status status;
  stub.UnaryCall(&context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", {},
                 &request, &response, [&](grpc::Status ended) {
                   status = std::move(ended);
                   done.DecrementCount();
                 });
  done.Wait();
  EXPECT_TRUE(status.ok()) << status.error_message();
  // ServerReflectionResponse.list_services_response (6) .service (1) .name (1).
  std::vector<std::string> names;
  google::protobuf::UnknownFieldSet answer, list, service;
  EXPECT_TRUE(answer.ParseFromString(Text(response)));
  for (int i = 0; i < answer.field_count(); ++i) {
    if (answer.field(i).number() != 6) continue;
    EXPECT_TRUE(list.ParseFromString(answer.field(i).length_delimited()));
    for (int j = 0; j < list.field_count(); ++j) {
      EXPECT_TRUE(service.ParseFromString(list.field(j).length_delimited()));
      names.push_back(service.field(0).length_delimited());
    }
  }
  return names;
}

class RoleMatrixTest : public ::testing::Test {
 protected:
  static std::shared_ptr<grpc::Channel> Dial(MiniCluster& cluster, const std::string& endpoint,
                                             const std::string& server, const Column& column) {
    const rpc::Identity peer = *rpc::ParsePrincipal(server);
    if (column.principal.empty()) {
      return rpc::DialWithoutCertificate(endpoint, peer, cluster.pki().ca().certificate_pem);
    }
    return rpc::Dial(endpoint, peer, cluster.pki().Issue(column.principal));
  }

  // All methods of a service's endpoint by all columns: streams at once, for those that are let in
  // stay open, and of the others not more than the server has threads.
  static void CallAll(MiniCluster& cluster, const std::string& endpoint, const std::string& server,
                      const std::vector<std::string>& methods,
                      std::map<std::string, std::vector<Answer>>& answers) {
    struct Pending {
      grpc::ClientContext context;
      grpc::ByteBuffer request = Bytes(""), response;
      std::unique_ptr<grpc::GenericStub> stub;
    };
    std::vector<std::unique_ptr<Pending>> calls;
    absl::Mutex mutex;
    int in_flight = 0;
    const auto few = [&in_flight] { return in_flight < kMostInFlight; };
    absl::BlockingCounter done(static_cast<int>(methods.size()) * kColumnCount);
    for (int column = 0; column < kColumnCount; ++column) {
      const auto channel = Dial(cluster, endpoint, server, kColumns[column]);
      for (const std::string& method : methods) {
        calls.push_back(std::make_unique<Pending>());
        Pending& call = *calls.back();
        const bool stream = IsStream(method);
        rpc::SetTimeout(call.context, stream ? kWatchTime : kDeadline);
        if (!kColumns[column].on_behalf_of.empty()) {
          call.context.AddMetadata(rpc::kOnBehalfOfKey, kColumns[column].on_behalf_of);
        }
        call.stub = std::make_unique<grpc::GenericStub>(channel);
        Answer* const answer = &answers.at(method)[column];
        if (!stream) {
          absl::MutexLock lock(&mutex);
          mutex.Await(absl::Condition(&few));
          ++in_flight;
        }
        call.stub->UnaryCall(&call.context, "/" + method, {}, &call.request, &call.response,
                             [&, answer, stream](const grpc::Status& status) {
                               {
                                 absl::MutexLock lock(&mutex);
                                 if (!stream) --in_flight;
                                 *answer = {.status = rpc::FromGrpc(status), .came = true};
                               }
                               done.DecrementCount();
                             });
      }
    }
    done.Wait();
  }

  // Refused for who the caller is, and not for what it asked.
  static bool Refused(const absl::Status& status) {
    const std::string reason = rpc::GetInfo(status).reason;
    return absl::IsUnauthenticated(status) ||
           (absl::IsPermissionDenied(status) &&
            (reason == "ROLE_NOT_ALLOWED" || reason == "NOT_A_GATEWAY"));
  }
};

TEST_F(RoleMatrixTest, EveryMethodByEveryRole) {
  auto started = MiniCluster::Start({.jobs = true, .conversion = true});
  ASSERT_OK(started);
  MiniCluster& cluster = **started;
  ASSERT_OK(cluster.AddWorker("one", cluster.dir() + "/store"));
  const std::map<std::string, std::string> endpoints = {
      {"service/registry", cluster.Endpoint("registry")},
      {"service/replication", cluster.Endpoint("replication")},
      {"service/jobs", cluster.Endpoint("jobs")},
      {"service/conversion", cluster.Endpoint("conversion")},
      {"worker/" + MiniCluster::WorkerId("one"), cluster.Endpoint("one")}};
  std::map<std::string, std::vector<Answer>> answers;
  std::map<std::string, std::vector<std::string>> methods_of;
  for (const auto& [server, endpoint] : endpoints) {
    std::vector<std::string> methods;
    for (const std::string& name : ServicesOf(Dial(cluster, endpoint, server, kColumns[4]))) {
      if (absl::StartsWith(name, "grpc.")) continue;
      const auto* service =
          google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
      ASSERT_NE(service, nullptr) << name;
      for (int i = 0; i < service->method_count(); ++i) {
        methods.push_back(absl::StrCat(name, "/", service->method(i)->name()));
      }
    }
    EXPECT_FALSE(methods.empty()) << server;
    for (const std::string& method : methods) answers[method].resize(kColumnCount);
    methods_of[server] = methods;
  }
  std::vector<std::thread> threads;
  for (const auto& [server, methods] : methods_of) {
    threads.emplace_back([&, server = server, methods = methods] {
      CallAll(cluster, endpoints.at(server), server, methods, answers);
    });
  }
  for (std::thread& thread : threads) thread.join();

  std::string head = absl::StrFormat("%-62s", "+ may call, - is refused");
  for (const Column& column : kColumns) absl::StrAppendFormat(&head, " %-11s", column.title);
  std::cout << head << "\n";
  for (const auto& [method, row] : answers) {
    const rpc::MethodRule* const rule = rpc::FindRule(method);
    ASSERT_NE(rule, nullptr) << method << " has no rule";
    std::string line = absl::StrFormat("%-62s", method);
    for (int i = 0; i < kColumnCount; ++i) {
      const Answer& answer = row[i];
      ASSERT_TRUE(answer.came);
      const bool enroll = absl::EndsWith(method, "/Enroll");
      bool got_through = !Refused(answer.status);
      if (kColumns[i].principal.empty()) {
        // Without a certificate there is not even a connection.
        EXPECT_THAT(answer.status, testing::StatusIs(absl::StatusCode::kUnavailable, "")) << method;
        got_through = false;
      } else if (enroll) {
        // Answers on the enrolment port only.
        EXPECT_EQ(answer.status.code(), absl::StatusCode::kUnimplemented) << method;
        got_through = false;
      } else {
        EXPECT_NE(answer.status.code(), absl::StatusCode::kUnimplemented) << method;
        EXPECT_NE(answer.status.code(), absl::StatusCode::kUnavailable)
            << method << " " << kColumns[i].title << ": " << answer.status;
        EXPECT_EQ(got_through, (rule->access & kColumns[i].bit) != 0)
            << method << " by " << kColumns[i].title << ": " << answer.status;
      }
      absl::StrAppendFormat(&line, " %-11s", got_through ? "+" : "-");
    }
    std::cout << line << "\n";
  }
  std::set<std::string> missing;
  for (const rpc::MethodRule& rule : rpc::AccessTable()) {
    if (!answers.contains(rule.method)) missing.insert(rule.method);
  }
  EXPECT_THAT(missing, ::testing::IsEmpty()) << "no service answers these";
  std::cout << answers.size() << " methods x " << kColumnCount << " roles" << std::endl;

  // An agent that got through reaches its own server alone: the worker refuses the others by name.
  namespace stream = ::godwit::replication::v1;
  const auto own = stream::BlockStream::NewStub(Dial(
      cluster, cluster.Endpoint("one"), "worker/" + MiniCluster::WorkerId("one"), kColumns[1]));
  for (const auto& [server, expected] :
       {std::pair("s-0000000000000000c", absl::StatusCode::kPermissionDenied),
        std::pair("s-0000000000000000a", absl::StatusCode::kInvalidArgument)}) {
    grpc::ClientContext context;
    rpc::SetTimeout(context, kDeadline);
    const auto call = own->Replicate(&context);
    stream::AgentFrame open;
    open.mutable_open()->set_source_server(absl::StrCat("sourceServers/", server));
    call->Write(open);
    call->WritesDone();
    stream::WorkerFrame frame;
    while (call->Read(&frame)) {
    }
    EXPECT_THAT(rpc::FromGrpc(call->Finish()), testing::StatusIs(expected, "")) << server;
  }

  // Every service tells when its certificate ends: those of this test in less than an hour.
  for (const char* service : {"registry", "replication", "jobs", "conversion", "one"}) {
    ASSERT_OK_AND_ASSIGN(
        auto curl,
        testing::Process::Start({.command = {"/usr/bin/curl", "--silent", "--fail", "--max-time",
                                             "10", cluster.MetricsUrl(service)},
                                 .log = cluster.dir() + "/metrics.log"}));
    ASSERT_OK_AND_ASSIGN(const int status, curl.Wait(absl::Seconds(20)));
    ASSERT_EQ(status, 0) << service << ": " << cluster.Get(service).Log();
    const std::string text = curl.Log();
    constexpr absl::string_view kLine =
        "\ngodwit_certificate_expiry_timestamp_seconds{certificate=\"own\"} ";
    const std::size_t at = text.find(std::string(kLine));
    ASSERT_NE(at, std::string::npos) << service << text;
    const double left =
        std::stod(text.substr(at + kLine.size())) - absl::ToUnixSeconds(absl::Now());
    EXPECT_GT(left, 3000) << service;
    EXPECT_LE(left, 3600) << service;
  }

  // The registry wrote down each refusal of what changes something, with who asked and from where.
  ASSERT_OK_AND_ASSIGN(const auto connection, pg::Connection::Open(cluster.conninfo()));
  constexpr pg::Statement kRefused = {
      "refused",
      "select count(*) from registry.audit where method = $1 and principal = $2 and code = 7"
      " and peer like $3"};
  int audited = 0;
  for (const auto& [method, row] : answers) {
    const rpc::MethodRule* const rule = rpc::FindRule(method);
    if (rule->audit != rpc::Audit::kChanges || absl::EndsWith(method, "/Enroll") ||
        !absl::StartsWith(method, "godwit.registry.v1.")) {
      continue;
    }
    std::string name = method.substr(sizeof "godwit.registry.v1." - 1);
    std::replace(name.begin(), name.end(), '/', '.');
    ASSERT_OK_AND_ASSIGN(const pg::Result direct,
                         connection->Exec(kRefused, {name, "agent/s-0000000000000000a", "ipv4%"}));
    EXPECT_EQ(direct.Int(0, 0), (rule->access & rpc::kAgents) != 0 ? 0 : 1) << name;
    ASSERT_OK_AND_ASSIGN(
        const pg::Result passed,
        connection->Exec(kRefused, {name, "user/viewer/v", "%via service/gateway"}));
    EXPECT_EQ(passed.Int(0, 0), 1) << name;
    ++audited;
  }
  EXPECT_GE(audited, 35);
  std::cout << audited << " methods of the registry audited every refusal" << std::endl;
}

}  // namespace
}  // namespace godwit

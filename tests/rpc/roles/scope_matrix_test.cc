// Every method that viewers and operators may call, on running services, by users who are limited
// to a scope: with what is within, with what is not, and with what does not exist. No answer may
// hold an id from outside. Prints the matrix.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <grpcpp/generic/generic_stub.h>

#include <iostream>
#include <thread>

#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "godwit/jobs/v1/wave_run_service.grpc.pb.h"
#include "godwit/registry/v1/event_service.grpc.pb.h"
#include "services/common/rpc/access.h"
#include "services/common/rpc/caller.h"
#include "tests/rpc/roles/scope_fixture.h"

namespace godwit::testing {
namespace {

using google::protobuf::Message;
using ::testing::HasSubstr;

struct Column {
  const char* title;
  const char* principal;     // of the certificate
  const char* on_behalf_of;  // or empty
  std::uint32_t bit;
};
constexpr Column kColumns[] = {
    {"operator", "user/operator/lim", "", rpc::kOperators},
    {"gw>operator", "service/gateway", "user/operator/lim", rpc::kOperators},
    {"viewer", "user/viewer/lim", "", rpc::kViewers},
};

std::string ServiceOf(absl::string_view method) {
  const std::vector<std::string> parts = absl::StrSplit(method, '.');
  return parts[1] == "common" ? "registry" : parts[1];  // quotas: every service has its own
}

const google::protobuf::MethodDescriptor* Descriptor(std::string method) {
  std::replace(method.begin(), method.end(), '/', '.');
  return google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(method);
}

// What a field of a request names, in the world.
std::string ValueFor(const std::string& method, const std::string& field, const World& world) {
  const bool fleet = absl::StrContains(method, ".FleetService/");
  const bool of_wave = absl::EndsWith(method, "Wave") || absl::EndsWith(method, "Applications");
  if (field == "machine_id") return world.machine;
  if (field == "failed_of") return world.job;
  if (field == "wave" || field == "wave.name") return world.wave;
  if (field == "application" || field == "application.name") return world.application;
  if (field == "members") return of_wave ? world.application : world.server;
  if (fleet && field == "name") return of_wave ? world.wave : world.application;
  if (absl::StrContains(method, ".WaveRunService/")) return world.run;
  if (absl::StrContains(method, ".JobService/") && field == "name") return world.job;
  if (!absl::StrContains(method, ".ReplicationService/")) {
    return field == "point" ? world.server + "/points/p-0123456789abcdef0" : world.server;
  }
  if (field == "parent") return world.server;
  if (field == "names" || absl::EndsWith(method, "Replication")) {
    return world.server + "/replication";
  }
  for (const auto& [word, child] : {std::pair("PointRequest", "/pointRequests/"),
                                    std::pair("Verification", "/verifications/")}) {
    if (absl::EndsWith(method, word)) {
      return world.server + child + "0c9e2a6e-52c1-4d0f-9a66-7d6d3c5f8a10";
    }
  }
  if (absl::EndsWith(method, "DeleteClone")) return world.server + "/clones/c-0123456789abcdef0";
  return world.server + "/points/p-0123456789abcdef0";
}

void SetPath(Message& message, const std::string& path, const std::string& value) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(path, absl::MaxSplits('.', 1));
  const auto* const field = message.GetDescriptor()->FindFieldByName(parts.first);
  ASSERT_NE(field, nullptr) << path;
  const auto* const reflection = message.GetReflection();
  if (!parts.second.empty()) {
    SetPath(*reflection->MutableMessage(&message, field), parts.second, value);
  } else if (field->is_repeated()) {
    reflection->AddString(&message, field, value);
  } else {
    reflection->SetString(&message, field, value);
  }
}

class ScopeMatrixTest : public ScopeTest {
 protected:
  // A text about what is outside as one about what does not exist.
  static std::string Renamed(std::string text) {
    const std::vector<std::string> from = IdsOf(out_), to = IdsOf(none_);
    for (std::size_t i = 0; i < from.size(); ++i) {
      text = absl::StrReplaceAll(text, {{from[i], to[i]}});
    }
    return text;
  }
  struct Answer {
    absl::Status status;
    std::string text;  // of the response
  };
  static Answer Ask(const Column& column, const std::string& method, const Message& request) {
    const std::string bytes = request.SerializeAsString();
    grpc::Slice slice(bytes);
    grpc::ByteBuffer in(&slice, 1), out;
    grpc::ClientContext context;
    rpc::SetTimeout(context, kDeadline);
    if (*column.on_behalf_of != '\0') {
      context.AddMetadata(rpc::kOnBehalfOfKey, column.on_behalf_of);
    }
    grpc::GenericStub stub(As(ServiceOf(method), column.principal));
    absl::Notification done;
    Answer answer;
    stub.UnaryCall(&context, "/" + method, {}, &in, &out, [&](const grpc::Status& status) {
      answer.status = rpc::FromGrpc(status);
      done.Notify();
    });
    done.WaitForNotification();
    std::vector<grpc::Slice> slices;
    if (answer.status.ok() && out.Dump(&slices).ok()) {
      for (const grpc::Slice& part : slices) {
        answer.text.append(reinterpret_cast<const char*>(part.begin()), part.size());
      }
    }
    return answer;
  }
  // A request of this method that names what is in the world, and does nothing: without a request
  // id, with an etag of no version.
  static std::unique_ptr<Message> RequestOf(const rpc::MethodRule& rule, const World& world) {
    const auto* const type = Descriptor(rule.method)->input_type();
    std::unique_ptr<Message> request(
        google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
    const absl::string_view names = rule.names;
    for (const absl::string_view path : absl::StrSplit(names, ',', absl::SkipEmpty())) {
      SetPath(*request, std::string(path), ValueFor(rule.method, std::string(path), world));
    }
    if (type->FindFieldByName("etag") != nullptr) SetPath(*request, "etag", "4711");
    return request;
  }
  // What a stream shows until it has shown `wanted`, and a second longer.
  template <typename Reader, typename Response>
  static std::string Shown(grpc::ClientContext& context, Reader reader, Response message,
                           const std::string& wanted, absl::Status* status) {
    std::string text;
    absl::Notification over;
    std::thread ending;
    while (reader->Read(&message)) {
      absl::StrAppend(&text, message.DebugString());
      if (ending.joinable() || !absl::StrContains(text, wanted)) continue;
      ending = std::thread([&context, &over] {
        over.WaitForNotificationWithTimeout(absl::Seconds(1));
        context.TryCancel();
      });
    }
    *status = rpc::FromGrpc(reader->Finish());
    over.Notify();
    if (ending.joinable()) ending.join();
    return text;
  }
};

TEST_F(ScopeMatrixTest, EveryMethodWithinAndOutside) {
  std::cout << absl::StrFormat("%-62s %-8s", "ok: let in, -: NOT_FOUND, x: SCOPED", "rule");
  for (const Column& column : kColumns) std::cout << absl::StrFormat(" %-22s", column.title);
  std::cout << "\n";
  int methods = 0, told = 0;
  for (const rpc::MethodRule& rule : rpc::AccessTable()) {
    const std::string method = rule.method;
    if ((rule.access & (rpc::kViewers | rpc::kOperators)) == 0) continue;
    if (Descriptor(method)->server_streaming()) continue;  // the next test
    ++methods;
    const char* const kNames[] = {"never", "named", "listed", "any"};
    std::string line = absl::StrFormat("%-62s %-8s", method, kNames[static_cast<int>(rule.scoped)]);
    for (const Column& column : kColumns) {
      if ((rule.access & column.bit) == 0) {
        absl::StrAppendFormat(&line, " %-22s", "role");
        continue;
      }
      World within = in_;
      if (absl::EndsWith(method, "/DeleteJob")) {
        ASSERT_OK_AND_ASSIGN(within.job, NewJob(in_.server));
      }
      const Answer inside = Ask(column, method, *RequestOf(rule, within));
      const Answer outside = Ask(column, method, *RequestOf(rule, out_));
      const Answer nothing = Ask(column, method, *RequestOf(rule, none_));
      for (const Answer* answer : {&inside, &outside, &nothing}) {
        EXPECT_NE(answer->status.code(), absl::StatusCode::kUnavailable)
            << method << answer->status;
        EXPECT_NE(answer->status.code(), absl::StatusCode::kUnimplemented) << method;
        EXPECT_FALSE(Holds(answer->text, out_)) << method << " tells of what is outside";
      }
      std::string mark;
      switch (rule.scoped) {
        case rpc::Scoped::kNever:
          EXPECT_THAT(inside.status, StatusIs(absl::StatusCode::kPermissionDenied, "")) << method;
          EXPECT_EQ(Reason(inside.status), "SCOPED") << method;
          EXPECT_EQ(Reason(outside.status), "SCOPED") << method;
          mark = "x x";
          break;
        case rpc::Scoped::kNamed:
          // No test machine exists, so nobody's is within.
          if (!absl::EndsWith(method, "/ReadConsole")) {
            EXPECT_NE(Reason(inside.status), "NOT_IN_SCOPE") << method << " " << inside.status;
            EXPECT_NE(Reason(inside.status), "SCOPED") << method << " " << inside.status;
          }
          EXPECT_THAT(outside.status, StatusIs(absl::StatusCode::kNotFound, "")) << method;
          EXPECT_EQ(Reason(outside.status), "NOT_IN_SCOPE") << method;
          EXPECT_EQ(nothing.status.code(), outside.status.code()) << method;
          EXPECT_EQ(Reason(nothing.status), Reason(outside.status)) << method;
          // Whether it exists is not told.
          EXPECT_EQ(nothing.status.message(), Renamed(std::string(outside.status.message())));
          mark = absl::StrCat("ok(", absl::StatusCodeToString(inside.status.code()), ") -");
          break;
        case rpc::Scoped::kListed: {
          EXPECT_TRUE(inside.status.ok()) << method << inside.status;
          const bool tells_in = Holds(inside.text, in_);
          EXPECT_TRUE(tells_in) << method << " shows nothing of what is within";
          // An admin sees both, or this test could not fail.
          const Column admin = {"admin", kAdmin, "", rpc::kAdmins};
          const Answer all = Ask(admin, method, *RequestOf(rule, World{}));
          EXPECT_TRUE(Holds(all.text, out_) && Holds(all.text, in_)) << method << all.status;
          ++told;
          mark = "ok(within only)";
          break;
        }
        case rpc::Scoped::kAny:
          EXPECT_NE(Reason(inside.status), "SCOPED") << method;
          mark = "ok ok";
          break;
      }
      absl::StrAppendFormat(&line, " %-22s", mark);
    }
    std::cout << line << "\n";
  }
  EXPECT_GE(methods, 80);
  EXPECT_GE(told, 15);
  std::cout << methods << " methods x " << std::size(kColumns) << " limited users" << std::endl;
}

TEST_F(ScopeMatrixTest, EveryWatchWithinAndOutside) {
  const std::string who = "user/viewer/lim";
  absl::Status status;
  {
    grpc::ClientContext context;
    rpc::SetTimeout(context, kDeadline);
    const auto stub = ServersOf(who);
    const std::string text = Shown(context, stub->WatchSourceServers(&context, {}),
                                   registry::SourceServer(), Id(in_.server), &status);
    EXPECT_THAT(text, HasSubstr(Id(in_.server)));
    EXPECT_FALSE(Holds(text, out_)) << text;
    registry::WatchSourceServersRequest named;
    named.add_names(out_.server);
    grpc::ClientContext other;
    rpc::SetTimeout(other, kDeadline);
    EXPECT_EQ(Shown(other, stub->WatchSourceServers(&other, named), registry::SourceServer(), "-",
                    &status),
              "");
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, "there is no "));
  }
  {
    const auto stub = registry::EventService::NewStub(As("registry", who));
    ASSERT_OK_AND_ASSIGN(const auto list, Call(stub, &registry::EventService::Stub::ListEvents,
                                               registry::ListEventsRequest()));
    EXPECT_GT(list.events_size(), 0);
    // From the first event on: those of both worlds are there.
    ASSERT_OK_AND_ASSIGN(
        const auto all,
        Call(registry::EventService::NewStub(As("registry", kAdmin)),
             &registry::EventService::Stub::ListEvents, registry::ListEventsRequest()));
    ASSERT_GT(all.events_size(), list.events_size());
    registry::WatchEventsRequest watch;
    watch.set_since(all.events(0).token());
    grpc::ClientContext context;
    rpc::SetTimeout(context, kDeadline);
    const std::string text = Shown(context, stub->WatchEvents(&context, watch),
                                   registry::WatchEventsResponse(), Id(in_.wave), &status);
    EXPECT_THAT(text, HasSubstr(Id(in_.wave)));
    EXPECT_FALSE(Holds(text, out_)) << text;
  }
  {
    const auto stub = replication::ReplicationService::NewStub(As("replication", who));
    grpc::ClientContext context;
    rpc::SetTimeout(context, kDeadline);
    const std::string text = Shown(context, stub->WatchReplications(&context, {}),
                                   replication::Replication(), Id(in_.server), &status);
    EXPECT_THAT(text, HasSubstr(Id(in_.server)));
    EXPECT_FALSE(Holds(text, out_)) << text;
    replication::WatchReplicationsRequest named;
    named.add_names(out_.server + "/replication");
    grpc::ClientContext other;
    rpc::SetTimeout(other, kDeadline);
    EXPECT_EQ(Shown(other, stub->WatchReplications(&other, named), replication::Replication(), "-",
                    &status),
              "");
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, "there is no "));
  }
  for (const World* world : {&in_, &out_}) {
    const bool within = world == &in_;
    jobs::WatchJobRequest watch;
    watch.set_name(world->job);
    grpc::ClientContext context;
    rpc::SetTimeout(context, kDeadline);
    const auto stub = JobsOf(who);
    const std::string text =
        Shown(context, stub->WatchJob(&context, watch), jobs::Job(), Id(world->job), &status);
    EXPECT_EQ(absl::StrContains(text, Id(world->job)), within);
    EXPECT_EQ(absl::IsNotFound(status), !within) << status;

    jobs::WatchWaveRunRequest watch_run;
    watch_run.set_name(world->run);
    grpc::ClientContext run_context;
    rpc::SetTimeout(run_context, kDeadline);
    const auto runs = jobs::WaveRunService::NewStub(As("jobs", who));
    const std::string run = Shown(run_context, runs->WatchWaveRun(&run_context, watch_run),
                                  jobs::WaveRun(), Id(world->run), &status);
    EXPECT_EQ(absl::StrContains(run, Id(world->run)), within);
    EXPECT_EQ(absl::IsNotFound(status), !within) << status;
  }
}

}  // namespace
}  // namespace godwit::testing

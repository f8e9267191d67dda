// A registry that may send to this machine and gives up soon, a receiver of webhooks, and the
// command line.
#pragma once

#include <nlohmann/json.hpp>

#include "absl/strings/str_split.h"
#include "godwit/registry/v1/event_service.grpc.pb.h"
#include "godwit/registry/v1/webhook_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "tests/rpc/services/registry/identity/identity_fixture.h"

namespace godwit::registry {

// tests/rpc/services/registry/events/receiver.py.
class Receiver {
 public:
  absl::Status Start(bool tls) {
    std::vector<std::string> command = {
        "/usr/bin/python3", GODWIT_SOURCE_DIR "/tests/rpc/services/registry/events/receiver.py",
        dir_.path()};
    if (tls) {
      RETURN_IF_ERROR(MakeCertificate());
      command.insert(command.end(), {ca_file(), dir_ / "server.key"});
    }
    ASSIGN_OR_RETURN(process_, ::godwit::testing::Process::Start(
                                   {.command = command, .log = dir_ / "receiver.log"}));
    ASSIGN_OR_RETURN(const int port, process_.WaitForPort());
    origin_ = absl::StrCat(tls ? "https" : "http", "://127.0.0.1:", port);
    return absl::OkStatus();
  }
  std::string Url(const std::string& path) const { return origin_ + path; }
  std::string ca_file() const { return dir_ / "server.crt"; }
  void SetSecret(const std::string& secret) {
    EXPECT_OK(WriteFileAtomically(dir_ / "secret", secret));
  }
  void Open() { EXPECT_OK(WriteFileAtomically(dir_ / "open", "")); }
  // What it took on a path, in this order.
  std::vector<nlohmann::json> Taken(const std::string& path) const {
    std::vector<nlohmann::json> taken;
    const absl::StatusOr<std::string> text = ReadFile(dir_ / "taken.jsonl");
    if (!text.ok()) return taken;
    for (const absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
      nlohmann::json entry = nlohmann::json::parse(line.begin(), line.end(), nullptr, false);
      if (entry.is_object() && entry["path"] == path) taken.push_back(std::move(entry));
    }
    return taken;
  }

 private:
  // For 127.0.0.1, standing for itself.
  absl::Status MakeCertificate() {
    ASSIGN_OR_RETURN(
        auto openssl,
        ::godwit::testing::Process::Start(
            {.command = {"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                         "/CN=receiver", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                         dir_ / "server.key", "-out", ca_file()},
             .log = dir_ / "openssl.log"}));
    ASSIGN_OR_RETURN(const int status, openssl.Wait(absl::Seconds(60)));
    return status == 0 ? absl::OkStatus() : absl::InternalError(openssl.Log());
  }

  ::godwit::testing::TempDir dir_;
  ::godwit::testing::Process process_;
  std::string origin_;
};

class EventsTest : public IdentityTest {
 protected:
  using Events = pb::EventService::Stub;
  using Webhooks = pb::WebhookService::Stub;

  static void SetUpTestSuite() {
    IdentityTest::SetUpTestSuite();
    WebhookSender::Options& options = installation_->config.webhooks;
    options.addresses = AddressPolicy({*ParseNetwork("127.0.0.0/8")});
    options.timeout = absl::Seconds(2);
    options.retry_time = absl::Milliseconds(400);
    options.least_backoff = absl::Milliseconds(50);
    options.most_backoff = absl::Milliseconds(200);
    options.idle_pause = absl::Milliseconds(50);
    ASSERT_OK(StartRegistry());
  }

  struct Registry {
    ::godwit::testing::Process process;
    int port = 0;
  };
  // As a program; on later calls on the same port.
  static void StartProgram(const std::string& name, const std::string& failpoint, Registry& to) {
    const std::string tls = *dir_ / "service", ca = *dir_ / "ca";
    installation_->pki.Write("service/registry", tls);
    ASSERT_OK(MakeDirs(ca));
    ASSERT_OK(WriteFileAtomically(ca + "/ca.crt", installation_->pki.ca().certificate_pem));
    ASSERT_OK(WriteFileAtomically(ca + "/ca.key", installation_->pki.ca().private_key_pem));
    ASSERT_OK_AND_ASSIGN(to.process, ::godwit::testing::Process::Start(
                                         {.command = {::godwit::testing::Program("godwit-registry"),
                                                      "--listen",
                                                      Endpoint(to.port),
                                                      "--enroll-listen",
                                                      "127.0.0.1:0",
                                                      "--database",
                                                      installation_->database->conninfo(),
                                                      "--tls-dir",
                                                      tls,
                                                      "--ca-dir",
                                                      ca,
                                                      "--jobs",
                                                      "127.0.0.1:1",
                                                      "--replication",
                                                      "127.0.0.1:1",
                                                      "--master-key-file",
                                                      KeyFile(),
                                                      "--webhook-allow",
                                                      "127.0.0.1",
                                                      "--webhook-timeout",
                                                      "1s"},
                                          .log = *dir_ / (name + ".log"),
                                          .environment = {{"GODWIT_FAILPOINT", failpoint}}}));
    ASSERT_OK_AND_ASSIGN(to.port, to.process.WaitForPort());
  }
  static std::unique_ptr<Events> EventsAs(const std::string& principal) {
    return pb::EventService::NewStub(ChannelAs(principal));
  }
  static std::string NewServer(pb::SourceServerService::Stub& stub) {
    pb::CreateSourceServerRequest request;
    request.set_request_id(NewUuid());
    request.set_user_provided_id(NewUuid());
    const auto server = Call(stub, &pb::SourceServerService::Stub::CreateSourceServer, request);
    EXPECT_OK(server);
    return server.ok() ? server->name() : "";
  }
  // Another version of a server.
  static absl::Status Change(pb::SourceServerService::Stub& stub, const std::string& name) {
    pb::UpdateSourceServerRequest update;
    update.mutable_source_server()->set_name(name);
    (*update.mutable_source_server()->mutable_tags())["tag"] = NewUuid();
    update.mutable_update_mask()->add_paths("tags");
    return Call(stub, &pb::SourceServerService::Stub::UpdateSourceServer, update).status();
  }
  static std::unique_ptr<pb::SourceServerService::Stub> Operator() {
    return pb::SourceServerService::NewStub(ChannelAs("user/operator/carol"));
  }
  // All events after a token (from the oldest kept when empty).
  static std::vector<pb::Event> EventsSince(Events& stub, const std::string& since,
                                            std::string* next = nullptr) {
    std::vector<pb::Event> events;
    pb::ListEventsRequest request;
    request.set_since(since);
    request.set_page_size(100);
    bool more = true;
    while (more) {
      const auto page = Call(stub, &Events::ListEvents, request);
      EXPECT_OK(page);
      if (!page.ok()) break;
      events.insert(events.end(), page->events().begin(), page->events().end());
      request.set_since(page->next_token());
      more = page->more();
    }
    if (next != nullptr) *next = request.since();
    return events;
  }
  static std::string Now(Events& stub) {
    std::string token;
    EventsSince(stub, "", &token);
    return token;
  }
  // Until `done`, at most a minute.
  static bool Eventually(const std::function<bool()>& done) {
    const absl::Time give_up = absl::Now() + absl::Seconds(60);
    while (!done()) {
      if (absl::Now() > give_up) return false;
      absl::SleepFor(absl::Milliseconds(20));
    }
    return true;
  }
};

}  // namespace godwit::registry

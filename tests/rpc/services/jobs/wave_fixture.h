// Wave runs of a real godwit-jobs process with a real registry, both on one PostgreSQL, and real
// (tiny) machines; only replication and conversion are fakes.
#pragma once

#include <signal.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "godwit/jobs/v1/wave_run_service.grpc.pb.h"
#include "tests/rpc/services/jobs/fake_peers.h"
#include "tests/rpc/services/registry/registry_fixture.h"

namespace godwit::testing {

using jobs::v1::WaveRun;
using jobs::v1::WaveRunEvent;
using jobs::v1::WaveRunServer;
using Waves = jobs::v1::WaveRunService::Stub;

class WaveFixture : public registry::RegistryTest {
 protected:
  static void SetUpTestSuite() {
    // Machines of tests are removed from state TESTING: the strict profile refuses that.
    ASSERT_OK(SetUpInstallation(registry::Profile::kLenient));
    // The place of the recording service is taken by the real one.
    jobs_port_ = installation_->jobs_server->port();
    installation_->jobs_server.reset();
  }
  void SetUp() override {
    peers_ = std::make_unique<FakePeers>(installation_->pki);
    installation_->pki.Write("service/jobs", dir_ / "tls");
  }
  void TearDown() override {
    process_.reset();
    for (const int pid : MachineProcesses()) kill(pid, SIGKILL);
  }

  // `wait`: until it serves; one that is to die may do so before.
  void StartJobs(const std::string& failpoint = "", bool wait = true) {
    process_.reset();
    const std::vector<std::string> peers = peers_->Flags();
    std::map<std::string, std::string> environment;
    if (!failpoint.empty()) environment["GODWIT_FAILPOINT"] = failpoint;
    auto started = Process::Start(
        {.command = {Program("godwit-jobs"), "--accelerator=tcg", "--lease-duration=2s", peers[1],
                     peers[2], absl::StrCat("--listen=", Endpoint(jobs_port_)),
                     absl::StrCat("--registry=", Endpoint(installation_->registry->port())),
                     absl::StrCat("--database=", installation_->config.database),
                     absl::StrCat("--tls-dir=", dir_ / "tls"),
                     absl::StrCat("--machines-dir=", dir_ / "machines")},
         .log = dir_ / "jobs.log",
         .environment = environment});
    ASSERT_OK(started);
    process_ = std::make_unique<Process>(*std::move(started));
    if (!wait) return;
    const auto port = process_->WaitForPort();
    ASSERT_TRUE(port.ok()) << port.status() << process_->Log();
  }

  template <typename Request, typename Response>
  absl::StatusOr<Response> Wave(grpc::Status (Waves::*method)(grpc::ClientContext*, const Request&,
                                                              Response*),
                                const Request& request,
                                const std::string& principal = "user/operator/carol",
                                absl::Duration patience = absl::Seconds(20)) {
    const auto stub = jobs::v1::WaveRunService::NewStub(rpc::Dial(
        Endpoint(jobs_port_), registry::ServiceNamed("jobs"), installation_->pki.Issue(principal)));
    absl::StatusOr<Response> answer;
    // A process that was just killed or started is asked again.
    const absl::Status asked = rpc::Retry(patience, [&] {
      answer = Call(*stub, method, request);
      return answer.status();
    });
    if (!asked.ok()) return asked;
    return answer;
  }

  // A server whose launch is the tiny machine and whose first point exists.
  std::string ReadyServer() {
    const std::string name = EnrolledServer();
    const auto events =
        registry::pb::RegistryEventService::NewStub(ChannelAs("service/replication"));
    registry::pb::ReportInitialSyncDoneRequest synced;
    synced.set_source_server(name);
    synced.set_point(absl::StrCat(name, "/points/", NewId("p-")));
    synced.set_request_id(NewUuid());
    EXPECT_OK(
        Call(*events, &registry::pb::RegistryEventService::Stub::ReportInitialSyncDone, synced));
    registry::pb::UpdateLaunchSettingsRequest update;
    update.set_name(name);
    update.mutable_settings()->set_memory_bytes(128ll << 20);
    update.mutable_settings()->add_port_forwards()->set_guest_port(22);
    update.mutable_settings()->mutable_boot_proof()->set_console_text(kTinyHello);
    update.mutable_settings()->mutable_boot_proof()->mutable_timeout()->set_seconds(120);
    for (const char* path : {"memory_bytes", "port_forwards", "boot_proof"}) {
      update.mutable_update_mask()->add_paths(path);
    }
    EXPECT_OK(
        Call(*Servers(), &registry::pb::SourceServerService::Stub::UpdateLaunchSettings, update));
    return name;
  }
  static std::unique_ptr<registry::pb::SourceServerService::Stub> Servers() {
    return registry::pb::SourceServerService::NewStub(ChannelAs("user/operator/carol"));
  }

  // A wave of applications with these names and servers; `applications_` gets their names.
  std::string MakeWave(const std::map<std::string, std::vector<std::string>>& content) {
    const auto fleet = registry::pb::FleetService::NewStub(ChannelAs("user/operator/carol"));
    using Fleet = registry::pb::FleetService::Stub;
    registry::pb::CreateWaveRequest create;
    create.set_request_id(NewUuid());
    create.mutable_wave()->set_display_name("First wave");
    const auto wave = Call(*fleet, &Fleet::CreateWave, create);
    EXPECT_OK(wave);
    if (!wave.ok()) return "";
    for (const auto& [title, servers] : content) {
      registry::pb::CreateApplicationRequest application;
      application.set_request_id(NewUuid());
      application.mutable_application()->set_display_name(title);
      const auto made = Call(*fleet, &Fleet::CreateApplication, application);
      EXPECT_OK(made);
      if (!made.ok()) return "";
      applications_[title] = made->name();
      if (!servers.empty()) {
        EXPECT_OK(Call(*fleet, &Fleet::AssociateSourceServers, Members(made->name(), servers)));
      }
      EXPECT_OK(Call(*fleet, &Fleet::AssociateApplications, Members(wave->name(), {made->name()})));
    }
    return wave->name();
  }
  static registry::pb::AssociateRequest Members(const std::string& group,
                                                const std::vector<std::string>& members) {
    registry::pb::AssociateRequest request;
    request.set_name(group);
    request.set_request_id(NewUuid());
    for (const std::string& member : members) request.add_members(member);
    return request;
  }

  static jobs::v1::StartWaveRunRequest StartOf(const std::string& wave, WaveRun::Kind kind) {
    jobs::v1::StartWaveRunRequest request;
    request.set_request_id(NewUuid());
    request.set_wave(wave);
    request.set_kind(kind);
    return request;
  }
  absl::StatusOr<WaveRun> Start(const jobs::v1::StartWaveRunRequest& request) {
    return Wave(&Waves::StartWaveRun, request);
  }
  WaveRun Get(const std::string& name) {
    jobs::v1::GetWaveRunRequest request;
    request.set_name(name);
    const auto run = Wave(&Waves::GetWaveRun, request, "user/viewer/bob");
    EXPECT_OK(run);
    return run.ok() ? *run : WaveRun();
  }
  // The run once it rests or `until` holds, or as it is when patience is over.
  WaveRun Await(const std::string& name, const std::function<bool(const WaveRun&)>& until) {
    const absl::Time deadline = absl::Now() + absl::Seconds(120);
    WaveRun run;
    while (absl::Now() < deadline) {
      run = Get(name);
      if (until(run)) return run;
      absl::SleepFor(absl::Milliseconds(100));
    }
    ADD_FAILURE() << "it did not come to that: " << run.DebugString()
                  << (process_ ? process_->Log() : "");
    return run;
  }
  WaveRun AwaitState(const std::string& name, WaveRun::State state) {
    WaveRun run = Await(name, [](const WaveRun& now) {
      return now.state() == WaveRun::WAITING_FOR_APPROVAL || now.state() == WaveRun::STOPPED ||
             now.state() >= WaveRun::SUCCEEDED;
    });
    EXPECT_EQ(WaveRun::State_Name(run.state()), WaveRun::State_Name(state)) << run.DebugString();
    return run;
  }
  std::vector<std::string> Events(const std::string& name) {
    jobs::v1::ListWaveRunEventsRequest request;
    request.set_name(name);
    request.set_page_size(500);
    std::vector<std::string> out;
    const auto list = Wave(&Waves::ListWaveRunEvents, request, "user/viewer/bob");
    EXPECT_OK(list);
    if (!list.ok()) return out;
    for (const WaveRunEvent& event : list->events()) {
      out.push_back(WaveRunEvent::Type_Name(event.type()));
    }
    return out;
  }
  absl::StatusOr<WaveRun> Resume(const std::string& name, bool retry_failed) {
    jobs::v1::ResumeWaveRunRequest request;
    request.set_name(name);
    request.set_request_id(NewUuid());
    request.set_retry_failed(retry_failed);
    return Wave(&Waves::ResumeWaveRun, request);
  }
  // Jobs that there are for a server, newest first.
  std::vector<jobs::v1::Job> JobsOf(const std::string& server) {
    const auto stub = jobs::v1::JobService::NewStub(
        rpc::Dial(Endpoint(jobs_port_), registry::ServiceNamed("jobs"),
                  installation_->pki.Issue("user/viewer/bob")));
    jobs::v1::ListJobsRequest request;
    request.set_source_server(server);
    const auto list = Call(*stub, &jobs::v1::JobService::Stub::ListJobs, request);
    EXPECT_OK(list);
    if (!list.ok()) return {};
    return {list->jobs().begin(), list->jobs().end()};
  }
  std::vector<int> MachineProcesses() const {
    std::vector<int> out;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      int pid = 0;
      if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
      std::error_code error;
      const auto where = std::filesystem::read_symlink(entry.path() / "cwd", error);
      if (!error && where.string().rfind(dir_ / "machines", 0) == 0) out.push_back(pid);
    }
    return out;
  }

  inline static int jobs_port_ = 0;
  TempDir dir_;
  std::unique_ptr<FakePeers> peers_;
  std::unique_ptr<Process> process_;
  std::map<std::string, std::string> applications_;
};

}  // namespace godwit::testing

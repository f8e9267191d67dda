#include "tests/rpc/services/jobs/fake_peers.h"

#include <grpcpp/grpcpp.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/check.h"
#include "services/common/base/ids.h"

namespace godwit::testing {
namespace {

std::string CloneDir(const std::string& dir, const std::string& name) {
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  return absl::StrCat(dir, "/", parts.back());
}

void SetPoint(const std::string& server, replication::v1::Point* point) {
  point->set_name(absl::StrCat("sourceServers/", server, "/points/", DerivedId("p-", server)));
  point->mutable_cut_time()->set_seconds(1780000000);
  point->set_consistency(replication::v1::Point::CRASH_CONSISTENT);
}

}  // namespace

grpc::Status FakeRegistry::GetServerForService(
    grpc::ServerContext*, const registry::v1::GetServerForServiceRequest* request,
    registry::v1::ServerForService* response) {
  registry::v1::SourceServer* server = response->mutable_source_server();
  server->set_name(request->name());
  registry::v1::SourceProperties* properties = server->mutable_properties();
  properties->set_hostname("web1");
  properties->set_boot_mode("BIOS");
  properties->set_ram_bytes(200ll << 20);
  properties->add_cpus()->set_core_count(1);
  properties->mutable_use()->set_sample_count(42);
  properties->mutable_use()->set_p95_cores(0.4);
  properties->mutable_use()->set_peak_memory_bytes(100ll << 20);
  registry::v1::NetworkInterface* nic = properties->add_network_interfaces();
  nic->set_name("eth0");
  nic->set_mac_address("52:54:00:aa:bb:cc");
  nic->set_is_primary(true);
  return grpc::Status::OK;
}

grpc::Status FakeRegistry::ReportLaunch(grpc::ServerContext*,
                                        const registry::v1::ReportLaunchRequest* request,
                                        registry::v1::ReportResponse*) {
  const absl::MutexLock guard(&mutex_);
  for (const auto& report : reports_) {
    if (report.request_id() == request->request_id()) return grpc::Status::OK;
  }
  reports_.push_back(*request);
  return grpc::Status::OK;
}

std::vector<registry::v1::ReportLaunchRequest> FakeRegistry::Reports(const std::string& server) {
  const absl::MutexLock guard(&mutex_);
  std::vector<registry::v1::ReportLaunchRequest> out;
  for (const auto& report : reports_) {
    if (report.source_server() == absl::StrCat("sourceServers/", server)) out.push_back(report);
  }
  return out;
}

grpc::Status FakeReplication::RequestPoint(grpc::ServerContext*,
                                           const replication::v1::RequestPointRequest* request,
                                           replication::v1::PointRequest* response) {
  const absl::MutexLock guard(&mutex_);
  response->set_name(absl::StrCat(request->parent(), "/pointRequests/", request->request_id()));
  response->set_state(replication::v1::PointRequest::WAITING);
  requests_[response->name()] = request->parent().substr(14);
  return grpc::Status::OK;
}

grpc::Status FakeReplication::GetPointRequest(
    grpc::ServerContext*, const replication::v1::GetPointRequestRequest* request,
    replication::v1::PointRequest* response) {
  const absl::MutexLock guard(&mutex_);
  const auto found = requests_.find(request->name());
  if (found == requests_.end()) return {grpc::StatusCode::NOT_FOUND, "no such request"};
  response->set_name(request->name());
  response->set_state(replication::v1::PointRequest::SUCCEEDED);
  SetPoint(found->second, response->mutable_point());
  return grpc::Status::OK;
}

grpc::Status FakeReplication::CreateClone(grpc::ServerContext*,
                                          const replication::v1::CreateCloneRequest* request,
                                          replication::v1::Clone* response) {
  const absl::MutexLock guard(&mutex_);
  std::string& name = by_request_[request->request_id()];
  const bool first = name.empty();
  const std::vector<std::string> parts = absl::StrSplit(request->point(), '/');
  if (parts.size() != 4) return {grpc::StatusCode::INVALID_ARGUMENT, "point: malformed"};
  if (first) name = absl::StrCat("sourceServers/", parts[1], "/clones/", NewId("c-"));
  const std::string folder = CloneDir(dir_, name);
  const auto own = disks_.find(parts[1]);
  const std::string path = own == disks_.end() ? absl::StrCat(folder, "/disk.qcow2") : own->second;
  if (first) {
    clones_.insert(name);
    GODWIT_CHECK(MakeDirs(folder).ok());
    const absl::Status made =
        own == disks_.end() ? MakeTinyOsDisk(path, message_, end_) : absl::OkStatus();
    if (!made.ok()) return {grpc::StatusCode::INTERNAL, std::string(made.message())};
  }
  response->set_name(name);
  response->set_point(request->point());
  replication::v1::CloneDisk* disk = response->add_disks();
  disk->set_disk_id(DerivedId("d-", parts[1]));
  disk->set_device_name("/dev/sda");
  disk->set_size_bytes(1 << 20);
  disk->set_is_boot_disk(true);
  disk->set_path(path);
  return grpc::Status::OK;
}

grpc::Status FakeReplication::DeleteClone(grpc::ServerContext*,
                                          const replication::v1::DeleteCloneRequest* request,
                                          replication::v1::DeleteCloneResponse*) {
  const absl::MutexLock guard(&mutex_);
  if (clones_.erase(request->name()) != 0) {
    std::filesystem::remove_all(CloneDir(dir_, request->name()));
  }
  return grpc::Status::OK;
}

void FakeReplication::SetGuest(std::string message, TinyOsEnd end) {
  const absl::MutexLock guard(&mutex_);
  message_ = std::move(message);
  end_ = end;
}

void FakeReplication::SetDisk(const std::string& server, std::string path) {
  const absl::MutexLock guard(&mutex_);
  disks_[server] = std::move(path);
}

int FakeReplication::PointRequests(const std::string& server) {
  const absl::MutexLock guard(&mutex_);
  int count = 0;
  for (const auto& [name, of] : requests_) count += of == server ? 1 : 0;
  return count;
}

std::set<std::string> FakeReplication::Clones() {
  const absl::MutexLock guard(&mutex_);
  return clones_;
}

grpc::Status FakeConversion::CreateTask(grpc::ServerContext*,
                                        const conversion::v1::CreateTaskRequest* request,
                                        conversion::v1::ConversionTask* response) {
  const absl::MutexLock guard(&mutex_);
  std::string& name = by_request_[request->request_id()];
  if (name.empty()) {
    name = absl::StrCat("conversionTasks/", NewId("ct-"));
    conversion::v1::ConversionTask& task = tasks_[name];
    task.set_name(name);
    task.set_state(conversion::v1::ConversionTask::PENDING);
    *task.mutable_disks() = request->disks();
    *task.mutable_target() = request->target();
    task.set_mode(request->mode());
    task.set_unfinished(request->unfinished());
  }
  *response = tasks_[name];
  return grpc::Status::OK;
}

grpc::Status FakeConversion::GetTask(grpc::ServerContext*,
                                     const conversion::v1::GetTaskRequest* request,
                                     conversion::v1::ConversionTask* response) {
  const absl::MutexLock guard(&mutex_);
  const auto found = tasks_.find(request->name());
  if (found == tasks_.end()) return {grpc::StatusCode::NOT_FOUND, "no such task"};
  conversion::v1::ConversionTask& task = found->second;
  if (task.state() == conversion::v1::ConversionTask::PENDING && mode_ == Mode::kSucceed) {
    task.set_state(conversion::v1::ConversionTask::SUCCEEDED);
    task.add_changes()->set_summary("one change");
    task.mutable_hints()->set_firmware("bios");
    task.mutable_hints()->set_disk_bus("virtio");
    task.mutable_hints()->set_nic_model("virtio");
  }
  if (task.state() == conversion::v1::ConversionTask::PENDING && mode_ == Mode::kFail) {
    task.set_state(conversion::v1::ConversionTask::FAILED);
    task.mutable_error()->set_code(grpc::StatusCode::FAILED_PRECONDITION);
    task.mutable_error()->set_message("no kernel was found");
  }
  *response = task;
  return grpc::Status::OK;
}

grpc::Status FakeConversion::CancelTask(grpc::ServerContext*,
                                        const conversion::v1::CancelTaskRequest* request,
                                        conversion::v1::ConversionTask* response) {
  const absl::MutexLock guard(&mutex_);
  const auto found = tasks_.find(request->name());
  if (found == tasks_.end()) return {grpc::StatusCode::NOT_FOUND, "no such task"};
  if (found->second.state() == conversion::v1::ConversionTask::PENDING) {
    found->second.set_state(conversion::v1::ConversionTask::CANCELLED);
  }
  *response = found->second;
  return grpc::Status::OK;
}

void FakeConversion::SetMode(Mode mode) {
  const absl::MutexLock guard(&mutex_);
  mode_ = mode;
}

std::vector<conversion::v1::ConversionTask> FakeConversion::Tasks() {
  const absl::MutexLock guard(&mutex_);
  std::vector<conversion::v1::ConversionTask> out;
  for (const auto& [name, task] : tasks_) out.push_back(task);
  return out;
}

FakePeers::FakePeers(const TestPki& pki) {
  const auto serve = [&](const char* name, grpc::Service* service) {
    auto server = rpc::Server::Start(
        {.listen = "127.0.0.1:0", .tls = pki.Issue(absl::StrCat("service/", name))}, {service});
    GODWIT_CHECK(server.ok());
    servers_.push_back(*std::move(server));
  };
  serve("registry", &registry);
  serve("replication", &replication);
  serve("conversion", &conversion);
}

std::vector<std::string> FakePeers::Flags() const {
  return {absl::StrCat("--registry=127.0.0.1:", servers_[0]->port()),
          absl::StrCat("--replication=127.0.0.1:", servers_[1]->port()),
          absl::StrCat("--conversion=127.0.0.1:", servers_[2]->port())};
}

}  // namespace godwit::testing

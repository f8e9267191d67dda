// Registry, replication and conversion as godwit-jobs sees them, in the test's process behind real
// TLS. They keep their promises (idempotent by request id) and remember what was asked.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "godwit/conversion/v1/conversion_service.grpc.pb.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/rpc/channel.h"
#include "tests/support/process.h"
#include "tests/support/test_pki.h"
#include "tests/support/tiny_os.h"

namespace godwit::testing {

inline constexpr char kTinyHello[] = "tiny os is up";

class FakeRegistry final : public registry::v1::RegistryEventService::Service {
 public:
  grpc::Status GetServerForService(grpc::ServerContext* context,
                                   const registry::v1::GetServerForServiceRequest* request,
                                   registry::v1::ServerForService* response) override;
  grpc::Status ReportLaunch(grpc::ServerContext* context,
                            const registry::v1::ReportLaunchRequest* request,
                            registry::v1::ReportResponse* response) override;
  // Reports about a server in order, repetitions (same request id) left out.
  std::vector<registry::v1::ReportLaunchRequest> Reports(const std::string& server);

 private:
  absl::Mutex mutex_;
  std::vector<registry::v1::ReportLaunchRequest> reports_;
};

class FakeReplication final : public replication::v1::ReplicationService::Service {
 public:
  explicit FakeReplication(std::string dir) : dir_(std::move(dir)) {}
  grpc::Status RequestPoint(grpc::ServerContext* context,
                            const replication::v1::RequestPointRequest* request,
                            replication::v1::PointRequest* response) override;
  grpc::Status GetPointRequest(grpc::ServerContext* context,
                               const replication::v1::GetPointRequestRequest* request,
                               replication::v1::PointRequest* response) override;
  grpc::Status CreateClone(grpc::ServerContext* context,
                           const replication::v1::CreateCloneRequest* request,
                           replication::v1::Clone* response) override;
  grpc::Status DeleteClone(grpc::ServerContext* context,
                           const replication::v1::DeleteCloneRequest* request,
                           replication::v1::DeleteCloneResponse* response) override;
  // What guests of later clones do.
  void SetGuest(std::string message, TinyOsEnd end);
  // The qcow2 disk of a server's later clones, instead of the tiny guest.
  void SetDisk(const std::string& server, std::string path);
  int PointRequests(const std::string& server);
  // Names of clones that exist.
  std::set<std::string> Clones();

 private:
  const std::string dir_;
  absl::Mutex mutex_;
  std::string message_ = kTinyHello;
  TinyOsEnd end_ = TinyOsEnd::kRest;
  std::map<std::string, std::string> disks_;     // by server
  std::map<std::string, std::string> requests_;  // name -> server
  std::map<std::string, std::string> by_request_;
  std::set<std::string> clones_;
};

class FakeConversion final : public conversion::v1::ConversionService::Service {
 public:
  enum class Mode { kSucceed, kFail, kHang };
  grpc::Status CreateTask(grpc::ServerContext* context,
                          const conversion::v1::CreateTaskRequest* request,
                          conversion::v1::ConversionTask* response) override;
  grpc::Status GetTask(grpc::ServerContext* context, const conversion::v1::GetTaskRequest* request,
                       conversion::v1::ConversionTask* response) override;
  grpc::Status CancelTask(grpc::ServerContext* context,
                          const conversion::v1::CancelTaskRequest* request,
                          conversion::v1::ConversionTask* response) override;
  void SetMode(Mode mode);
  std::vector<conversion::v1::ConversionTask> Tasks();

 private:
  absl::Mutex mutex_;
  Mode mode_ = Mode::kSucceed;
  std::map<std::string, std::string> by_request_;
  std::map<std::string, conversion::v1::ConversionTask> tasks_;
};

// The three, serving.
class FakePeers {
 public:
  explicit FakePeers(const TestPki& pki);
  std::vector<std::string> Flags() const;  // --registry=... and so on

  TempDir dir;
  FakeRegistry registry;
  FakeReplication replication{dir / "clones"};
  FakeConversion conversion;

 private:
  std::vector<std::unique_ptr<rpc::Server>> servers_;
};

}  // namespace godwit::testing

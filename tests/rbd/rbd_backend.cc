#include "tests/rbd/rbd_backend.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/replication/worker/store/rbd/image.h"
#include "services/replication/worker/store/rbd/rbd_store.h"
#include "tests/unit/services/replication/worker/store/store_fixture.h"
#include "tests/unit/services/replication/worker/store/store_writer.h"

namespace godwit::store {
namespace {

// Where a program that a test starts finds the cluster.
constexpr char kConf[] = "GODWIT_TEST_CEPH_CONF";

std::unique_ptr<testing::CephCluster>& Owned() {
  static std::unique_ptr<testing::CephCluster> cluster;
  return cluster;
}

class RbdBackend final : public StoreBackend {
 public:
  explicit RbdBackend(const std::string& place) : place_(place), options_(OptionsOf(place)) {}

  absl::StatusOr<std::unique_ptr<Store>> Open() override {
    RETURN_IF_ERROR(MakeNamespace());
    return OpenRbdStore(options_);
  }
  std::string place() const override { return place_; }
  int Kept(const std::string& server, const std::string& disk) override {
    int kept = 0;
    EXPECT_OK(EachImage([&](const std::string& name, rbd::Image& image) -> absl::Status {
      if (!absl::StartsWith(name, absl::StrCat("godwit.", server, ".", disk)))
        return absl::OkStatus();
      ASSIGN_OR_RETURN(const auto snapshots, image.Snapshots());
      kept += static_cast<int>(snapshots.size());
      return absl::OkStatus();
    }));
    return kept;
  }
  absl::Status Check() override {
    return EachImage([&](const std::string& name, rbd::Image& image) -> absl::Status {
      ASSIGN_OR_RETURN(const bool whole, image.MapIsWhole());
      return whole ? absl::OkStatus() : absl::DataLossError(name + ": object map");
    });
  }

 private:
  absl::Status MakeNamespace() {
    RbdOptions options = options_;
    options.name_space = "";
    ASSIGN_OR_RETURN(const auto cluster, rbd::Cluster::Connect(options));
    const absl::Status made = rbd::CephStatus(
        rbd_namespace_create(cluster->io(), options_.name_space.c_str()), "namespace");
    return absl::IsAlreadyExists(made) ? absl::OkStatus() : made;
  }
  template <typename Do>
  absl::Status EachImage(Do&& act) {
    ASSIGN_OR_RETURN(const auto cluster, rbd::Cluster::Connect(options_));
    std::vector<rbd_image_spec_t> specs(100);
    std::size_t count = specs.size();
    RETURN_IF_ERROR(rbd::CephStatus(rbd_list2(cluster->io(), specs.data(), &count), "images"));
    std::vector<std::string> names;
    for (std::size_t i = 0; i < count; ++i) names.emplace_back(specs[i].name);
    rbd_image_spec_list_cleanup(specs.data(), count);
    for (const std::string& name : names) {
      ASSIGN_OR_RETURN(const auto image, rbd::Image::OpenReadOnly(*cluster, name, ""));
      RETURN_IF_ERROR(act(name, *image));
    }
    return absl::OkStatus();
  }
  const std::string place_;
  const RbdOptions options_;
};

}  // namespace

testing::CephCluster* TheCluster() { return Owned().get(); }

RbdOptions OptionsOf(const std::string& place) {
  return {.pool = testing::CephCluster::Pool(),
          .name_space = std::filesystem::path(place).filename().string(),
          .conf = std::getenv(kConf),
          .user = testing::CephCluster::User(),
          .clone_folder = place + "/clones",
          .patience = absl::Seconds(30)};
}

std::unique_ptr<StoreBackend> MakeBackend(const std::string& place) {
  return std::make_unique<RbdBackend>(place);
}

}  // namespace godwit::store

int main(int argc, char** argv) {
  const char* place = std::getenv("GODWIT_STORE_WRITER");
  if (place != nullptr) return godwit::store::RunWriter(place, std::getenv("GODWIT_STORE_LOG"));
  ::testing::InitGoogleTest(&argc, argv);
  // A test that starts this program again shares its cluster.
  if (std::getenv(godwit::store::kConf) == nullptr && !::testing::GTEST_FLAG(list_tests)) {
    auto cluster = godwit::testing::CephCluster::Start(std::int64_t{4} << 30);
    if (!cluster.ok()) {
      std::fprintf(stderr, "%s\n", cluster.status().ToString().c_str());
      return 1;
    }
    godwit::store::Owned() = *std::move(cluster);
    setenv(godwit::store::kConf, godwit::store::Owned()->conf().c_str(), 1);
  }
  const int code = RUN_ALL_TESTS();
  godwit::store::Owned().reset();
  return code;
}

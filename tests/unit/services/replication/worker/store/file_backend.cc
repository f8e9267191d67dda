// The file store under the tests of all stores.
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "services/replication/worker/store/fence.h"
#include "services/replication/worker/store/file_store.h"
#include "tests/unit/services/replication/worker/store/store_fixture.h"

namespace godwit::store {
namespace {

namespace fs = std::filesystem;

class FileBackend final : public StoreBackend {
 public:
  explicit FileBackend(std::string place) : place_(std::move(place)) {}
  absl::StatusOr<std::unique_ptr<Store>> Open() override { return OpenFileStore(Folder()); }
  std::string place() const override { return place_; }
  int Kept(const std::string& server, const std::string& disk) override {
    const std::string group = absl::StrCat(Folder(), "/groups/", server);
    const auto generations = Generations(group);
    if (!generations.ok() || generations->empty()) return 0;
    int files = 0;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(
             absl::StrCat(GenerationFolder(group, generations->back()), "/", disk), error)) {
      const std::string kind = entry.path().extension();
      files += kind == ".qcow2" || kind == ".raw" ? 1 : 0;
    }
    return files;
  }
  absl::Status Check() override {
    for (const auto& entry : fs::recursive_directory_iterator(Folder())) {
      if (entry.path().extension() != ".qcow2") continue;
      const absl::Status checked = RunProgram(
          {"/usr/bin/qemu-img", "check", "-U", entry.path().string()}, place_ + "/check.log");
      if (!checked.ok()) return checked;
    }
    return absl::OkStatus();
  }

 private:
  std::string Folder() const { return place_ + "/store"; }
  const std::string place_;
};

}  // namespace

std::unique_ptr<StoreBackend> MakeBackend(const std::string& place) {
  return std::make_unique<FileBackend>(place);
}

}  // namespace godwit::store

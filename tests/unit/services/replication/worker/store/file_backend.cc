// The file store under the tests of all stores.
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "services/common/crypt/master_keys.h"
#include "services/common/crypt/qemu_image.h"
#include "services/replication/worker/store/fence.h"
#include "services/replication/worker/store/file_store.h"
#include "tests/unit/services/replication/worker/store/store_fixture.h"

namespace godwit::store {
namespace {

namespace fs = std::filesystem;

class FileBackend final : public StoreBackend {
 public:
  explicit FileBackend(std::string place) : place_(std::move(place)) {}
  absl::StatusOr<std::unique_ptr<Store>> Open() override {
    if (!encrypted_) return OpenFileStore(Folder());
    if (!fs::exists(key_file_)) {
      const auto made = crypt::AddMasterKey(key_file_);
      if (!made.ok()) return made.status();
    }
    return OpenFileStore(Folder(), key_file_);
  }
  absl::StatusOr<std::shared_ptr<Group>> OpenGroup(Store& store, std::int64_t generation,
                                                   const std::vector<DiskSpec>& disks) override {
    return encrypted_ ? store.OpenEncryptedGroup(kServer, generation, disks)
                      : store.OpenGroup(kServer, generation, disks);
  }
  absl::Status QemuImg(std::vector<std::string> command, const std::string& image,
                       const std::vector<std::string>& more, const std::string& log) override {
    if (!encrypted_) return StoreBackend::QemuImg(std::move(command), image, more, log);
    const auto opened = crypt::QemuImage::Open(image, key_file_);
    if (!opened.ok()) return opened.status();
    if (!opened->encrypted()) return absl::DataLossError(image + " is not encrypted");
    const std::string secret = key_file_ + ".passphrase";
    const absl::Status written = WriteFileAtomically(secret, opened->key()->passphrase().bytes());
    if (!written.ok()) return written;
    command.insert(command.end(), {"--object", "secret,id=godwit,file=" + secret});
    return StoreBackend::QemuImg(std::move(command), opened->Url(), more, log);
  }
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
      if (entry.path().filename() == "base.qcow2") continue;  // the same as base.raw
      files += kind == ".qcow2" || kind == ".raw" ? 1 : 0;
    }
    return files;
  }
  absl::Status Check() override {
    for (const auto& entry : fs::recursive_directory_iterator(Folder())) {
      if (entry.path().extension() != ".qcow2") continue;
      const absl::Status checked =
          QemuImg({"check", "-U"}, entry.path().string(), {}, place_ + "/check.log");
      if (!checked.ok()) return checked;
    }
    return absl::OkStatus();
  }

 private:
  std::string Folder() const { return place_ + "/store"; }
  const std::string place_;
  // The tests run once more like this.
  const bool encrypted_ = std::getenv("GODWIT_TEST_ENCRYPTED") != nullptr;
  const std::string key_file_ = place_ + "/master.keys";
};

}  // namespace

std::unique_ptr<StoreBackend> MakeBackend(const std::string& place) {
  return std::make_unique<FileBackend>(place);
}

}  // namespace godwit::store

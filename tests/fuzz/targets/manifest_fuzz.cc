// Manifests of a staging store: what loads is saved and loaded again equal.
#include <google/protobuf/util/message_differencer.h>
#include <stdlib.h>

#include <filesystem>

#include "services/common/base/check.h"
#include "services/replication/worker/store/manifest.h"
#include "tests/fuzz/targets/memory_file.h"

namespace {

// In memory where the system has such a place; removed at the end.
class Folder {
 public:
  Folder() {
    std::error_code error;
    std::string pattern = std::filesystem::exists("/dev/shm", error)
                              ? "/dev/shm"
                              : std::filesystem::temp_directory_path().string();
    pattern += "/godwit-fuzz.XXXXXX";
    GODWIT_CHECK(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using google::protobuf::util::MessageDifferencer;
  namespace store = godwit::store;
  static const Folder folder;
  const godwit::fuzz::MemoryFile file(data, size);
  const auto manifest = store::LoadManifest(file.path());
  if (!manifest.ok()) return 0;
  for (const auto& disk : manifest->disks()) {
    const auto* top = store::TopFile(disk, manifest->lease_generation());
    GODWIT_CHECK(top == nullptr || top->epoch() <= manifest->lease_generation());
    const auto staged = store::ToStaged(store::FromStaged(disk));
    GODWIT_CHECK(staged.disk_id() == disk.disk_id() && staged.size_bytes() == disk.size_bytes());
  }
  for (const auto& point : manifest->points()) {
    GODWIT_CHECK(store::ToStaged(store::FromStaged(point)).epoch() == point.epoch());
  }
  const std::string copy = folder.path() + "/manifest.json";
  GODWIT_CHECK(store::SaveManifest(copy, *manifest).ok());
  const auto again = store::LoadManifest(copy);
  GODWIT_CHECK(again.ok() && MessageDifferencer::Equals(*again, *manifest));
  return 0;
}

#include "tests/unit/services/replication/worker/store/store_backend.h"

#include "tests/unit/services/replication/worker/store/store_fixture.h"

namespace godwit::store {

absl::StatusOr<std::shared_ptr<Group>> StoreBackend::OpenGroup(Store& store,
                                                               std::int64_t generation,
                                                               const std::vector<DiskSpec>& disks) {
  return store.OpenGroup(kServer, generation, disks);
}

absl::Status StoreBackend::QemuImg(std::vector<std::string> command, const std::string& image,
                                   const std::vector<std::string>& more, const std::string& log) {
  command.insert(command.begin(), "/usr/bin/qemu-img");
  command.push_back(image);
  command.insert(command.end(), more.begin(), more.end());
  return RunProgram(command, log);
}

}  // namespace godwit::store

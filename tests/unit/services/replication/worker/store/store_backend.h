// What a kind of staging store gives to the tests that all kinds pass (store_test.cc,
// store_model_test.cc, store_process_test.cc). Each test program links one kind.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/replication/worker/store/store.h"

namespace godwit::store {

class StoreBackend {
 public:
  virtual ~StoreBackend() = default;
  // The store of this backend, opened once more.
  virtual absl::StatusOr<std::unique_ptr<Store>> Open() = 0;
  // The group of the tests in it, plain or encrypted as this backend has groups.
  virtual absl::StatusOr<std::shared_ptr<Group>> OpenGroup(Store& store, std::int64_t generation,
                                                           const std::vector<DiskSpec>& disks);
  // Runs qemu-img COMMAND... IMAGE MORE... on the disk of a clone.
  virtual absl::Status QemuImg(std::vector<std::string> command, const std::string& image,
                               const std::vector<std::string>& more, const std::string& log);
  // What a writer in another process needs to open the same store: MakeBackend(place).
  virtual std::string place() const = 0;
  // How many points of a disk the store keeps; 0: nothing of the disk is there.
  virtual int Kept(const std::string& server, const std::string& disk) = 0;
  // What the store's own format promises.
  virtual absl::Status Check() = 0;
};

// A new store in `place`, an empty folder, or one that place() named.
std::unique_ptr<StoreBackend> MakeBackend(const std::string& place);

}  // namespace godwit::store

// Carries out imports and exports in the background, one of each at a time. Several registries may
// share a database: each transfer is leased, and one whose registry died goes on at the next row.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/pg/pool.h"
#include "services/registry/rpc/backend.h"
#include "services/registry/storage/transfer_folder.h"
#include "services/registry/storage/transfer_store.h"

namespace godwit::registry {

// Thread-safe. What it gets must outlive it.
class TransferRunner {
 public:
  TransferRunner(const Backend& backend, const storage::TransferFolder& folder)
      : backend_(backend), pool_(backend.mutator.pool()), folder_(folder) {}
  ~TransferRunner() { Stop(); }
  void Start();
  void Stop();  // after the row that is under way
  // There is something new to do.
  void Wake();

 private:
  void Loop(storage::TransferKind kind);
  bool Stopping();
  absl::Status RunNext(storage::TransferKind kind, bool* ran);
  absl::Status Import(storage::Transfer own);
  absl::Status Export(const storage::Transfer& own);
  absl::Status Refuse(const storage::Transfer& own, const storage::TransferError& error);
  absl::Status Change(const storage::Transfer& own,
                      const std::function<absl::Status(pg::Connection&)>& body);

  const Backend& backend_;
  pg::Pool& pool_;
  const storage::TransferFolder& folder_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  int wakes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread imports_, exports_;
};

}  // namespace godwit::registry

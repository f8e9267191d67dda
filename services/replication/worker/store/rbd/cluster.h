// A connection to a Ceph cluster and a pool (with namespace) in it; small objects there.
//
// Each group has a connection of its own, because that is what can be cut off: CutOff() has the
// cluster refuse whatever a connection still sends, however long its process was stopped.
#pragma once

#include <rados/librados.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/replication/worker/store/rbd/rbd_options.h"
#include "services/replication/worker/store/store.h"

namespace godwit::store::rbd {

// The status of a negative errno of librados or librbd. ENOSPC, EDQUOT: RESOURCE_EXHAUSTED;
// ETIMEDOUT: UNAVAILABLE (nobody knows whether it was done); ESHUTDOWN: ABORTED (cut off);
// ECANCELED: ABORTED (a guard did not hold); ENOENT: NOT_FOUND; EACCES, EPERM: PERMISSION_DENIED.
absl::Status CephStatus(int code, absl::string_view what);

// Thread-safe. All waits are bounded by the options' patience.
class Cluster {
 public:
  // UNAVAILABLE when no monitor answers.
  static absl::StatusOr<std::unique_ptr<Cluster>> Connect(const RbdOptions& options);
  ~Cluster();
  Cluster(const Cluster&) = delete;

  rados_ioctx_t io() const { return io_; }
  const RbdOptions& options() const { return options_; }
  // Of this connection, for CutOff. Without blanks.
  const std::string& address() const { return address_; }

  // The whole object; NOT_FOUND. At most 128 MiB.
  absl::StatusOr<std::string> Read(const std::string& object) const;
  absl::Status Write(const std::string& object, std::uint64_t offset, absl::string_view bytes);
  // ALREADY_EXISTS when there is one.
  absl::Status Create(const std::string& object, absl::string_view bytes);
  // Also when there is none.
  absl::Status Remove(const std::string& object);

  // An object with a guard (an attribute): made, or replaced while the guard is `guard`. ABORTED
  // when it is another one, NOT_FOUND without object.
  absl::StatusOr<std::string> Guard(const std::string& object) const;
  absl::Status CreateGuarded(const std::string& object, const std::string& guard);
  absl::Status SetGuard(const std::string& object, const std::string& guard,
                        const std::string& next);
  absl::Status Replace(const std::string& object, const std::string& guard,
                       absl::string_view bytes);
  absl::Status RemoveGuarded(const std::string& object, const std::string& guard);

  // From the answer on no part of the pool takes anything from the connection at `address`.
  absl::Status CutOff(const std::string& address);
  absl::StatusOr<StoreSpace> Space() const;

 private:
  explicit Cluster(RbdOptions options) : options_(std::move(options)) {}
  absl::StatusOr<std::string> Ask(const std::string& command) const;
  absl::Status ReachAllParts();

  const RbdOptions options_;
  rados_t rados_ = nullptr;
  rados_ioctx_t io_ = nullptr;
  std::string address_;
};

}  // namespace godwit::store::rbd

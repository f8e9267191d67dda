// A connection to a libvirt daemon, and its errors as statuses. Opened when it is first needed and
// again after it broke. Thread-safe.
#pragma once

#include <libvirt/libvirt.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace godwit::jobs {

using ConnectPtr = std::unique_ptr<virConnect, void (*)(virConnectPtr)>;
using DomainPtr = std::unique_ptr<virDomain, void (*)(virDomainPtr)>;
using PoolPtr = std::unique_ptr<virStoragePool, void (*)(virStoragePoolPtr)>;
using VolumePtr = std::unique_ptr<virStorageVol, void (*)(virStorageVolPtr)>;

// The last error of libvirt in this thread: NOT_FOUND (no such domain, pool or volume), UNAVAILABLE
// (the daemon cannot be reached), FAILED_PRECONDITION (not in this state), PERMISSION_DENIED,
// INVALID_ARGUMENT, else INTERNAL.
absl::Status LibvirtError(absl::string_view what);

class LibvirtConnection {
 public:
  // `uri` as of libvirt: qemu:///system, qemu+ssh://user@host/system, qemu+tls://host/system...
  explicit LibvirtConnection(std::string uri) : uri_(std::move(uri)) {}
  ~LibvirtConnection();

  const std::string& uri() const { return uri_; }
  // Whether files of this host are files of the daemon's host.
  bool IsLocal() const;
  absl::StatusOr<ConnectPtr> Get();
  // NOT_FOUND: there is none.
  absl::StatusOr<DomainPtr> FindDomain(const std::string& name);
  absl::StatusOr<PoolPtr> FindPool(const std::string& name);
  // The text of the element that virDomainSetMetadata keeps under `uri`.
  absl::StatusOr<std::string> Metadata(virDomainPtr domain, const std::string& uri);
  // All that a stream gives, at most `most` bytes.
  absl::StatusOr<std::string> ReadStream(virStreamPtr stream, std::size_t most);

 private:
  const std::string uri_;
  absl::Mutex mutex_;
  virConnectPtr connection_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace godwit::jobs

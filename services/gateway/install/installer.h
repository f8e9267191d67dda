// What a machine that is to be moved fetches from the gateway, before it has any certificate or
// key: the installer, the CA of the installation, and the agent's packages. Nothing of it is
// secret.
//
//   GET /install.sh            deploy/install/install.sh, told which gateway it came from
//   GET /install/ca.crt        the CAs of the installation; the installer takes the one whose
//   SHA-256 it was given GET /install/SHA256SUMS    of the packages, as sha256sum prints them GET
//   /install/NAME          a package
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "services/gateway/http/head.h"

namespace godwit::gateway {

struct InstallOptions {
  // Folder with the agent's packages. Plain files of at most 256 MiB whose names are letters,
  // digits and "._+~-" are offered, at most 64 of them; links are not followed. Empty: nothing is
  // offered, every answer is 404.
  std::string dir;
  std::string ca_file;
  // host:port of the registry's enrolment port as the machines reach it; empty: they are told by
  // --registry.
  std::string enrollment;
};

// Thread-safe.
class Installer {
 public:
  explicit Installer(InstallOptions options) : options_(std::move(options)) {}
  static bool Wants(absl::string_view path);
  // Reads files: blocks. Logs one line a request.
  Response Answer(const Request& request);

 private:
  struct Sum {
    struct stat facts;
    std::string hex;
  };
  Response Find(const Request& request);
  Response Script(absl::string_view host) const;
  absl::StatusOr<std::string> Sums();
  absl::StatusOr<std::string> SumOf(const std::string& name);

  const InstallOptions options_;
  absl::Mutex mutex_;
  // Of files as they were when they were read.
  std::map<std::string, Sum> sums_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace godwit::gateway

// A libvirt daemon of a test's own: no privileges, its own folders, gone at the end. Run by root it
// lives in a user namespace where it is nobody special, which libvirt then takes for a user's
// session; files stay the same user's on both sides.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tests/support/process.h"

namespace godwit::testing {

class LibvirtDaemon {
 public:
  static absl::StatusOr<std::unique_ptr<LibvirtDaemon>> Start();
  ~LibvirtDaemon();

  const std::string& uri() const { return uri_; }
  std::string Log() const { return process_.Log(); }
  // Kills it; machines go on. Starts it again at the same place.
  absl::Status Restart();

 private:
  LibvirtDaemon() = default;
  absl::Status Run();

  std::string dir_, uri_;
  Process process_;
};

}  // namespace godwit::testing

#include "tests/support/libvirt_daemon.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::testing {

absl::StatusOr<std::unique_ptr<LibvirtDaemon>> LibvirtDaemon::Start() {
  std::unique_ptr<LibvirtDaemon> daemon(new LibvirtDaemon);
  // Not below TMPDIR: names of its sockets are long, and their length is limited.
  std::string pattern = "/tmp/gvirt-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) return ErrnoStatus(pattern);
  daemon->dir_ = pattern;
  for (const char* folder : {"run", "config/libvirt", "data", "cache"})
    RETURN_IF_ERROR(MakeDirs(absl::StrCat(pattern, "/", folder), 0700));
  RETURN_IF_ERROR(WriteFileAtomically(absl::StrCat(pattern, "/config/libvirt/libvirtd.conf"),
                                      absl::StrCat("unix_sock_dir=\"", pattern, "/run\"\n")));
  RETURN_IF_ERROR(WriteFileAtomically(absl::StrCat(pattern, "/config/libvirt/qemu.conf"),
                                      "security_driver=\"none\"\nstdio_handler=\"file\"\n"));
  daemon->uri_ = absl::StrCat("qemu+unix:///session?socket=", pattern, "/run/libvirt-sock");
  RETURN_IF_ERROR(daemon->Run());
  return daemon;
}

absl::Status LibvirtDaemon::Run() {
  std::vector<std::string> command;
  if (geteuid() == 0)
    command = {"/usr/bin/unshare", "--user", "--map-user=1000", "--map-group=1000"};
  command.insert(command.end(), {"/usr/sbin/libvirtd", "--timeout", "300"});
  ASSIGN_OR_RETURN(process_,
                   Process::Start({.command = command,
                                   .log = absl::StrCat(dir_, "/log"),
                                   .environment = {{"HOME", dir_},
                                                   {"XDG_RUNTIME_DIR", dir_ + "/run"},
                                                   {"XDG_CONFIG_HOME", dir_ + "/config"},
                                                   {"XDG_DATA_HOME", dir_ + "/data"},
                                                   {"XDG_CACHE_HOME", dir_ + "/cache"}}}));
  const std::string socket = absl::StrCat(dir_, "/run/libvirt-sock");
  for (int i = 0; i < 300; ++i) {
    if (access(socket.c_str(), F_OK) == 0) return absl::OkStatus();
    if (!process_.Running()) break;
    absl::SleepFor(absl::Milliseconds(100));
  }
  return absl::InternalError(absl::StrCat("libvirtd does not serve: ", process_.Log()));
}

absl::Status LibvirtDaemon::Restart() {
  process_.Signal(SIGKILL);
  unlink(absl::StrCat(dir_, "/run/libvirt-sock").c_str());
  return Run();
}

LibvirtDaemon::~LibvirtDaemon() {
  process_.Signal(SIGKILL);
  std::error_code ignored;
  std::filesystem::remove_all(dir_, ignored);
}

}  // namespace godwit::testing

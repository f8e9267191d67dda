#include "tests/support/ceph_cluster.h"

#include <signal.h>

#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::testing {

absl::StatusOr<std::unique_ptr<CephCluster>> CephCluster::Start(std::int64_t osd_bytes) {
  std::unique_ptr<CephCluster> cluster(new CephCluster);
  const std::string folder = cluster->dir_ / "ceph";
  ASSIGN_OR_RETURN(
      cluster->process_,
      Process::Start(
          {.command = {absl::StrCat(GODWIT_SOURCE_DIR, "/deploy/dev/ceph_cluster.sh"), folder},
           .log = cluster->dir_ / "ceph.log",
           .environment = {{"CEPH_OSD_BYTES", absl::StrCat(osd_bytes)}}}));
  const absl::Time end = absl::Now() + absl::Seconds(120);
  while (!std::filesystem::exists(folder + "/ready")) {
    if (absl::Now() > end || !cluster->process_.Running())
      return absl::UnavailableError(absl::StrCat("no Ceph cluster: ", cluster->process_.Log()));
    absl::SleepFor(absl::Milliseconds(100));
  }
  return cluster;
}

CephCluster::~CephCluster() {
  SignalOsd(SIGCONT).IgnoreError();
  process_.Terminate(absl::Seconds(30)).IgnoreError();
}

absl::StatusOr<std::string> CephCluster::Ceph(const std::vector<std::string>& words) const {
  const std::string out = dir_ / "command.out";
  std::error_code error;
  std::filesystem::remove(out, error);
  std::vector<std::string> command = {"/usr/bin/ceph", "--conf", conf(), "--connect-timeout", "20"};
  command.insert(command.end(), words.begin(), words.end());
  ASSIGN_OR_RETURN(Process process, Process::Start({.command = command, .log = out}));
  ASSIGN_OR_RETURN(const int status, process.Wait(absl::Seconds(30)));
  ASSIGN_OR_RETURN(const std::string said, ReadFile(out));
  if (status != 0) return absl::InternalError(said);
  return said;
}

absl::Status CephCluster::SignalOsd(int signal) const {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(dir_ / "ceph/osd.pid"));
  int pid = 0;
  if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &pid)) return absl::InternalError(text);
  return kill(pid, signal) == 0 ? absl::OkStatus() : ErrnoStatus("osd");
}

}  // namespace godwit::testing

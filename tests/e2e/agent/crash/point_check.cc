#include "tests/e2e/agent/crash/point_check.h"

#include <sys/wait.h>

#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/pg/connection.h"
#include "tests/e2e/agent/crash/mounts.h"
#include "tests/e2e/agent/loop_device.h"

namespace godwit::testing {
namespace {

// The agent reads the clock and ends the capture, in this order, and may have to wait for the
// processor in between: what is begun in that time may be in the point.
constexpr absl::Duration kEnding = absl::Milliseconds(250);
constexpr absl::Duration kPatience = absl::Seconds(60);

constexpr pg::Statement kSums{
    "sums",
    "SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM "
    "pgbench_tellers), (SELECT sum(bbalance) FROM pgbench_branches), (SELECT coalesce(sum(delta), "
    "0) FROM pgbench_history), (SELECT count(*) FROM commits), (SELECT coalesce(max(n), 0) FROM "
    "commits)"};
// Every index has every row, and in order.
constexpr pg::Statement kIndexes{"indexes",
                                 "SELECT bt_index_check(indexrelid, true) FROM pg_index JOIN "
                                 "pg_class ON pg_class.oid = indrelid WHERE relnamespace = "
                                 "'public'::regnamespace"};

class Check {
 public:
  Check(const Load& load, absl::Time cut_time) : load_(load), cut_time_(cut_time) {}

  void Add(Finding::Kind kind, absl::string_view text) {
    findings_.push_back({kind, std::string(text)});
  }
  void FileSystem(const DiskImage& image, const std::string& device) {
    {
      absl::StatusOr<Mounted> replayed = Mounted::Mount(device, image.folder, image.type);
      absl::Status status = replayed.status();
      if (status.ok()) status = replayed->Unmount();
      if (!status.ok()) Add(Finding::kMount, status.message());
    }
    const std::vector<std::string> command =
        image.type == "xfs" ? std::vector<std::string>{"/usr/sbin/xfs_repair", "-n", "-P", device}
                            : std::vector<std::string>{"/usr/sbin/e2fsck", "-f", "-n", device};
    absl::StatusOr<Process> fsck = Process::Start({.command = command, .log = image.file + ".log"});
    if (!fsck.ok()) return Add(Finding::kFileSystem, fsck.status().message());
    const absl::StatusOr<int> status = fsck->Wait(kPatience);
    if (!status.ok() || *status != 0) Add(Finding::kFileSystem, fsck->Log());
  }
  void Files(const std::string& folder) {
    for (int i = 0; i < Load::kFiles; ++i) {
      const Ledger& ledger = load_.file(i);
      const absl::StatusOr<std::string> content =
          ReadFile(absl::StrCat(folder, "/", Load::FileName(i)));
      std::int64_t version = 0;
      if (content.ok()) {
        const std::vector<std::string> words = absl::StrSplit(*content, absl::MaxSplits(':', 2));
        if (words.size() < 3 || !absl::SimpleAtoi(words[1], &version) ||
            *content != Load::FileContent(i, version)) {
          Add(Finding::kContent,
              absl::StrCat(Load::FileName(i), " is not whole, ", content->size(), " bytes"));
          continue;
        }
      } else if (!absl::IsNotFound(content.status())) {
        Add(Finding::kContent, content.status().message());
        continue;
      }
      Promised(Load::FileName(i), ledger, version);
    }
  }
  void Promised(const std::string& what, const Ledger& ledger, std::int64_t newest) {
    const std::int64_t least = ledger.AcknowledgedBefore(cut_time_);
    const std::int64_t most = ledger.BegunBefore(cut_time_ + kEnding);
    if (newest < least) {
      Add(Finding::kLost,
          absl::StrCat(what, ": ", least, " was acknowledged before the cut, newest is ", newest));
    }
    if (newest > most) {
      Add(Finding::kEarly,
          absl::StrCat(what, ": ", newest, " was begun after the cut, when there were ", most));
    }
  }
  void Database(const PostgresPlace& place) {
    // As a boot does, which may give the same process number to somebody else.
    unlink((place.data + "/postmaster.pid").c_str());
    // This copy is thrown away: what it writes need not be safe.
    absl::StatusOr<Postgres> server = Postgres::Start(
        place, {"fsync=off", "full_page_writes=off", "shared_buffers=16MB", "autovacuum=off"},
        kPatience);
    if (!server.ok()) return Add(Finding::kRecovery, server.status().message());
    const absl::Status status = Rows(place);
    if (!status.ok()) Add(Finding::kContent, status.message());
    const absl::Status stopped = server->Stop();
    if (!stopped.ok()) Add(Finding::kRecovery, stopped.message());
  }
  absl::Status Rows(const PostgresPlace& place) {
    ASSIGN_OR_RETURN(const auto connection, pg::Connection::Open(place.conninfo()));
    ASSIGN_OR_RETURN(const pg::Result sums, connection->Exec(kSums));
    for (int column = 1; column < 4; ++column) {
      if (sums.Int(0, column) == sums.Int(0, 0)) continue;
      Add(Finding::kContent,
          absl::StrCat("sums of accounts, tellers, branches, history: ", sums.Text(0, 0), ", ",
                       sums.Text(0, 1), ", ", sums.Text(0, 2), ", ", sums.Text(0, 3)));
      break;
    }
    if (sums.Int(0, 4) != sums.Int(0, 5)) {
      Add(Finding::kContent,
          absl::StrCat("commits: ", sums.Int(0, 4), " rows up to number ", sums.Int(0, 5)));
    }
    Promised("commits", load_.commits(), sums.Int(0, 5));
    return connection->Exec(kIndexes).status();
  }
  std::vector<Finding> Take() { return std::move(findings_); }

 private:
  const Load& load_;
  const absl::Time cut_time_;
  std::vector<Finding> findings_;
};

}  // namespace

const char* KindName(Finding::Kind kind) {
  constexpr const char* kNames[] = {"mount",   "file system check",       "recovery",
                                    "content", "acknowledged and absent", "begun after the cut"};
  return kNames[kind];
}

std::vector<Finding> CheckPoint(const std::vector<DiskImage>& images, const PostgresPlace& place,
                                const std::string& files, const Load& load, absl::Time cut_time) {
  Check check(load, cut_time);
  std::vector<std::unique_ptr<LoopDevice>> loops;
  std::vector<Mounted> mounts;
  for (const DiskImage& image : images) {
    loops.push_back(std::make_unique<LoopDevice>(image.file, image.bytes));
    check.FileSystem(image, loops.back()->path());
  }
  for (std::size_t i = 0; i < images.size(); ++i) {
    absl::StatusOr<Mounted> mounted =
        Mounted::Mount(loops[i]->path(), images[i].folder, images[i].type);
    if (!mounted.ok()) {
      check.Add(Finding::kMount, mounted.status().message());
      return check.Take();
    }
    mounts.push_back(*std::move(mounted));
  }
  check.Files(files);
  check.Database(place);
  for (Mounted& mounted : mounts) {
    const absl::Status status = mounted.Unmount();
    if (!status.ok()) check.Add(Finding::kMount, status.message());
  }
  return check.Take();
}

}  // namespace godwit::testing

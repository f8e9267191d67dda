// What is so of the store in Ceph alone: a pool without room, a cluster that does not answer, what
// is left in the pool, clones in the conversion's sandbox.
#include "services/replication/worker/store/rbd/rbd_store.h"

#include <signal.h>
#include <unistd.h>

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/replication/worker/store/open_store.h"
#include "services/replication/worker/store/rbd/cluster.h"
#include "tests/rbd/rbd_backend.h"
#include "tests/unit/services/replication/worker/store/store_fixture.h"

namespace godwit::store {
namespace {

class RbdStoreTest : public StoreTest {
 protected:
  // All objects of the store's namespace.
  absl::StatusOr<std::set<std::string>> Objects() {
    ASSIGN_OR_RETURN(const auto cluster, rbd::Cluster::Connect(OptionsOf(dir_.path())));
    rados_list_ctx_t list = nullptr;
    RETURN_IF_ERROR(rbd::CephStatus(rados_nobjects_list_open(cluster->io(), &list), "list"));
    std::set<std::string> names;
    const char* name = nullptr;
    while (rados_nobjects_list_next(list, &name, nullptr, nullptr) == 0) names.insert(name);
    rados_nobjects_list_close(list);
    return names;
  }
  void ReopenWithPatience(absl::Duration patience) {
    group_.reset();
    RbdOptions options = OptionsOf(dir_.path());
    options.patience = patience;
    ASSERT_OK_AND_ASSIGN(store_, OpenRbdStore(options));
    ASSERT_OK_AND_ASSIGN(group_, store_->OpenGroup(kServer, generation_, Disks()));
  }
};

TEST_F(RbdStoreTest, TheStoreIsKnownAgain) {
  ASSERT_OK_AND_ASSIGN(const auto again, backend_->Open());
  EXPECT_EQ(again->id(), store_->id());
  TempDir other;
  ASSERT_OK_AND_ASSIGN(const auto another, MakeBackend(other.path())->Open());
  EXPECT_NE(another->id(), store_->id());
}

TEST_F(RbdStoreTest, ARemovedGroupLeavesNothingInThePool) {
  group_.reset();
  ASSERT_OK(store_->RemoveGroup(kServer));
  ASSERT_OK_AND_ASSIGN(const std::set<std::string> before, Objects());
  Open(1);
  ASSERT_OK(Write(0, 0, 20, 'a'));
  Commit();
  ASSERT_OK(Patch(0, 5, 3, 'b'));
  Commit(/*interim=*/true);
  ASSERT_OK(Patch(1, 50, 3, 'c'));
  Commit();
  ASSERT_OK(Patch(1, 5, 3, 'd'));
  ASSERT_OK(group_->Sync());
  ASSERT_OK_AND_ASSIGN(const auto clone, group_->CreateClone(kClone, 1));
  EXPECT_GT(Objects()->size(), before.size());
  // While its worker still has it open, too.
  ASSERT_OK(store_->RemoveGroup(kServer));
  ASSERT_OK(store_->RemoveGroup(kServer));
  EXPECT_THAT(group_->Sync(), StatusIs(absl::StatusCode::kAborted, "stale"));
  EXPECT_FALSE(std::filesystem::exists(clone[0].path));
  // What the cluster keeps of a namespace stays; what snapshots needed goes a little later.
  const auto left = [&] {
    std::vector<std::string> names;
    const auto objects = Objects();
    EXPECT_OK(objects);
    for (const std::string& name : *objects) {
      if (!before.contains(name) && name != "rbd_directory" && name != "rbd_info" &&
          name != "rbd_children" && name != "rbd_trash")
        names.push_back(name);
    }
    return names;
  };
  const absl::Time end = absl::Now() + absl::Seconds(30);
  while (!left().empty() && absl::Now() < end) absl::SleepFor(absl::Milliseconds(200));
  EXPECT_THAT(left(), ::testing::IsEmpty());
}

TEST_F(RbdStoreTest, LogsDoNotPileUp) {
  ASSERT_OK(Write(0, 0, 20, 'a'));
  Commit();
  const auto logs = [&] {
    int count = 0;
    const auto objects = Objects();
    EXPECT_OK(objects);
    for (const std::string& name : *objects) count += absl::StartsWith(name, "godwit.log.") ? 1 : 0;
    return count;
  };
  for (int i = 0; i < 6; ++i) {
    ASSERT_OK(Patch(0, static_cast<std::uint64_t>(i) * 40, 30, static_cast<char>('b' + i)));
    Commit(/*interim=*/i % 2 == 0);
    EXPECT_LE(logs(), 1);
  }
  ASSERT_OK(group_->Rest().status());
  EXPECT_EQ(logs(), 0);
}

// A rescan after a takeover asks for the digest of every block.
TEST_F(RbdStoreTest, DigestsAreKnownWithoutReading) {
  ASSERT_OK(Write(0, 0, 40, 'a'));
  ASSERT_OK(Write(1, 3, 9, 'b'));
  Commit();
  ASSERT_OK(Patch(0, 1000, 10, 'c'));
  Commit();
  Open(2);
  ASSERT_OK(TheCluster()->SignalOsd(SIGSTOP));
  for (std::size_t d = 0; d < 2; ++d) {
    for (std::uint64_t b = 0; b < block::BlockCount(now_[d].size()); ++b) {
      const auto digest = group_->DigestAt(d, b);
      EXPECT_OK(digest);
      const std::size_t from = b * block::kBlockSize;
      EXPECT_EQ(**digest,
                block::DigestOf({reinterpret_cast<const std::uint8_t*>(now_[d].data()) + from,
                                 std::min<std::size_t>(block::kBlockSize, now_[d].size() - from)}));
    }
  }
  ASSERT_OK(TheCluster()->SignalOsd(SIGCONT));
}

TEST_F(RbdStoreTest, AClusterThatDoesNotAnswerIsAnErrorInTime) {
  ASSERT_OK(Write(0, 0, 8, 'a'));
  Commit();
  ASSERT_OK(Write(0, 8, 4, 'b'));
  ASSERT_OK(group_->Sync());
  ReopenWithPatience(absl::Seconds(2));
  ASSERT_OK(TheCluster()->SignalOsd(SIGSTOP));
  const absl::Time from = absl::Now();
  const Content before = now_;
  Write(0, 3, 4, 'x').IgnoreError();
  const absl::Status status = group_->Sync();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, "does not answer"));
  EXPECT_LT(absl::Now() - from, absl::Seconds(15));
  EXPECT_FALSE(group_->Healthy().ok());
  EXPECT_FALSE(store_->OpenGroup(kServer, 2, Disks()).ok());
  group_.reset();  // a worker that ends does not hang, either
  EXPECT_LT(absl::Now() - from, absl::Seconds(60));
  ASSERT_OK(TheCluster()->SignalOsd(SIGCONT));
  // Nobody knows what became of what was not acknowledged: it is sent again.
  ASSERT_OK_AND_ASSIGN(group_, store_->OpenGroup(kServer, 2, Disks()));
  now_ = before;
  ASSERT_OK(Write(0, 3, 4, 'y'));
  Commit();
  for (const std::int64_t epoch : {1, 2}) ExpectPoint(epoch);
}

TEST_F(RbdStoreTest, AClusterThatIsNotThereIsAnErrorInTime) {
  ASSERT_OK_AND_ASSIGN(std::string conf, ReadFile(OptionsOf(dir_.path()).conf));
  const std::size_t at = conf.find("v2:127.0.0.1:");
  ASSERT_NE(at, std::string::npos);
  conf.replace(at, conf.find('\n', at) - at, "v2:127.0.0.1:1");
  ASSERT_OK(WriteFileAtomically(dir_ / "wrong.conf", conf));
  RbdOptions options = OptionsOf(dir_.path());
  options.conf = dir_ / "wrong.conf";
  options.patience = absl::Seconds(2);
  const absl::Time from = absl::Now();
  EXPECT_THAT(OpenRbdStore(options).status(),
              StatusIs(absl::StatusCode::kUnavailable, "does not answer"));
  EXPECT_LT(absl::Now() - from, absl::Seconds(20));
}

TEST_F(RbdStoreTest, WhoMayNotIsTold) {
  RbdOptions options = OptionsOf(dir_.path());
  options.user = "nobody";
  EXPECT_FALSE(OpenRbdStore(options).ok());
  options = OptionsOf(dir_.path());
  options.pool = "missing";
  EXPECT_THAT(OpenRbdStore(options).status(), StatusIs(absl::StatusCode::kNotFound, "missing"));
  EXPECT_THAT(OpenStore("rbd:", options).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "rbd:POOL"));
  EXPECT_THAT(OpenStore("rbd:a/b/c", options).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "rbd:POOL"));
  options.clone_folder = "";
  EXPECT_THAT(OpenStore("rbd:staging", options).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "--clone-folder"));
}

TEST_F(RbdStoreTest, ItKnowsItsSpaceAndTheQuotaOfThePool) {
  const auto await = [&](const char* quota, std::int64_t least, std::int64_t most) {
    ASSERT_OK(
        TheCluster()
            ->Ceph({"osd", "pool", "set-quota", testing::CephCluster::Pool(), "max_bytes", quota})
            .status());
    const absl::Time end = absl::Now() + absl::Seconds(60);
    absl::StatusOr<StoreSpace> space;
    do {
      absl::SleepFor(absl::Milliseconds(500));
      ASSERT_OK_AND_ASSIGN(store_, backend_->Open());
      space = store_->Space();
    } while ((!space.ok() || space->total_bytes < least || space->total_bytes > most) &&
             absl::Now() < end);
    ASSERT_OK(space);
    EXPECT_GE(space->total_bytes, least);
    EXPECT_LE(space->total_bytes, most);
    EXPECT_GE(space->free_bytes, 0);
    EXPECT_LE(space->free_bytes, space->total_bytes);
  };
  group_.reset();
  await("1073741824", 1 << 30, 1 << 30);
  await("0", std::int64_t{3} << 30, std::int64_t{4} << 30);
}

TEST_F(RbdStoreTest, AFullPoolSaysSoAndLosesNothing) {
  ASSERT_OK(Write(0, 0, 20, 'a'));
  Commit();
  ASSERT_OK(Write(0, 3, 5, 'b'));
  Commit();
  const Content durable = now_;
  // The OSD finds itself full: less is free than this leaves.
  ASSERT_OK(TheCluster()->Ceph({"osd", "set-nearfull-ratio", "0.0001"}).status());
  ASSERT_OK(TheCluster()->Ceph({"osd", "set-backfillfull-ratio", "0.0002"}).status());
  ASSERT_OK(TheCluster()->Ceph({"osd", "set-full-ratio", "0.0003"}).status());
  absl::Status status;
  const absl::Time end = absl::Now() + absl::Seconds(60);
  for (int i = 0; status.ok() && absl::Now() < end; ++i) {
    status = Write(0, 20 + static_cast<std::uint64_t>(i % 20), 1, static_cast<char>(i));
    if (status.ok()) status = Zero(0, 20 + static_cast<std::uint64_t>(i % 20), 1);
    if (status.ok()) status = Write(1, 0, 8, static_cast<char>(i));
    if (status.ok()) status = group_->Sync();
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, "full"));
  EXPECT_FALSE(group_->Healthy().ok());
  // Room can be made: points are deleted even now.
  group_.reset();
  ASSERT_OK_AND_ASSIGN(group_, store_->OpenGroup(kServer, 1, Disks()));
  ASSERT_OK(group_->DeletePoints({1}));
  EXPECT_EQ(backend_->Kept(kServer, Disks()[0].disk_id), 1);
  ASSERT_OK(TheCluster()->Ceph({"osd", "set-full-ratio", "0.95"}).status());
  ASSERT_OK(TheCluster()->Ceph({"osd", "set-backfillfull-ratio", "0.9"}).status());
  ASSERT_OK(TheCluster()->Ceph({"osd", "set-nearfull-ratio", "0.85"}).status());
  do {  // until the monitor has heard that there is room; what was not acknowledged is sent again
    absl::SleepFor(absl::Milliseconds(100));
    now_ = durable;
    group_.reset();
    ASSERT_OK_AND_ASSIGN(group_, store_->OpenGroup(kServer, 1, Disks()));
    status = Write(0, 20, 20, 'z');
    if (status.ok()) status = Write(1, 0, 8, 'z');
    if (status.ok()) status = group_->Sync();
  } while (!status.ok() && absl::Now() < end + absl::Seconds(60));
  ASSERT_OK(status);
  ExpectPoint(2);
  Commit();
  ExpectPoint(3);
}

// The appliance's QEMU opens a clone by itself, in its sandbox.
TEST_F(RbdStoreTest, TheSandboxOfTheConversionOpensAClone) {
  ASSERT_OK(Write(0, 0, 20, 'a'));
  Commit();
  ASSERT_OK_AND_ASSIGN(const auto clone, group_->CreateClone(kClone, 1));
  ASSERT_OK_AND_ASSIGN(
      Process qemu,
      Process::Start(
          {.command = {"/usr/bin/qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display",
                       "none", "-S", "-machine", "none", "-sandbox",
                       "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
                       "-drive",
                       absl::StrCat("if=none,id=disk0,format=qcow2,cache=writeback,discard=unmap,"
                                    "file.locking=on,file=",
                                    clone[0].path),
                       "-qmp", absl::StrCat("unix:", dir_ / "qmp", ",server=on,wait=off")},
           .log = dir_ / "qemu-system.log"}));
  const absl::Time end = absl::Now() + absl::Seconds(30);
  while (!std::filesystem::exists(dir_ / "qmp") && qemu.Running() && absl::Now() < end)
    absl::SleepFor(absl::Milliseconds(50));
  absl::SleepFor(absl::Milliseconds(500));
  EXPECT_TRUE(qemu.Running()) << qemu.Log();
  // A group whose disk a machine reads is not removed, and not by half.
  EXPECT_THAT(store_->RemoveGroup(kServer),
              StatusIs(absl::StatusCode::kFailedPrecondition, "in use"));
  EXPECT_TRUE(qemu.Running()) << qemu.Log();
  ASSERT_OK(qemu.Terminate().status());
  Open(1);
  ExpectClone(clone, 1);
  group_.reset();
  ASSERT_OK(store_->RemoveGroup(kServer));
}

}  // namespace
}  // namespace godwit::store

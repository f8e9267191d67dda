// Disks of machines on clones of encrypted replicas, as the real store makes them.
#include "services/jobs/targets/qemu/machine_disks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/jobs/targets/qemu/command.h"
#include "services/jobs/targets/qemu/copy_job.h"
#include "services/jobs/targets/qemu/process.h"
#include "services/jobs/targets/qemu/qmp.h"
#include "services/replication/worker/store/file_store.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::jobs {
namespace {

using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kServer[] = "s-00000000000000001";
constexpr std::uint64_t kBytes = 4 << 20;

class MachineDisksTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(crypt::AddMasterKey(keys_).status());
    ASSERT_OK(MakeDirs(dir_ / "machine"));
  }
  // A clone with 'g' in its fourth block; its path.
  std::string Clone(bool encrypted) {
    auto store = store::OpenFileStore(dir_ / "store", keys_);
    const std::vector<store::DiskSpec> disks = {{.disk_id = "d-00000000000000001",
                                                 .device_name = "/dev/sda",
                                                 .size_bytes = kBytes,
                                                 .is_boot_disk = true}};
    auto group = encrypted ? (*store)->OpenEncryptedGroup(kServer, 1, disks)
                           : (*store)->OpenGroup(kServer, 1, disks);
    block::AlignedBuffer buffer(block::kBlockSize);
    std::fill(buffer.bytes().begin(), buffer.bytes().end(), 'g');
    EXPECT_OK((*group)->Write(0, 3, buffer.bytes()));
    EXPECT_OK((*group)->Commit({.epoch = 1, .consistency = 1}).status());
    const auto clone = (*group)->CreateClone("c-00000000000000001", 1);
    EXPECT_OK(clone.status());
    return (*clone)[0].path;
  }
  // Runs commands of qemu-io on the machine's disk, as QEMU would open it.
  std::string Io(const std::vector<std::string>& commands) {
    const auto disks = OpenDiskFiles({disk_}, keys_);
    if (!disks.ok()) return disks.status().ToString();
    std::vector<std::string> command = {"qemu-io"};
    for (const std::string& each : commands) command.insert(command.end(), {"-c", each});
    for (const std::string& argument : disks->arguments)
      command.push_back(argument == "-object" ? "--object" : argument);
    command.push_back(disks->blockdevs[0].empty() ? disk_ : "json:" + disks->blockdevs[0]);
    for (const std::string& word : command) EXPECT_THAT(word, Not(HasSubstr(Passphrase())));
    const auto ran =
        RunCommand(command, absl::Seconds(60), nullptr, disks->fds.empty() ? -1 : disks->fds[0]);
    if (!ran.ok()) return ran.status().ToString();
    return absl::StrCat(ran->exit_code == 0 ? "" : "failed ", ran->output);
  }
  std::string Passphrase() {
    const auto image = crypt::QemuImage::Open(disk_, keys_);
    return image.ok() && image->encrypted() ? image->key()->passphrase().bytes() : "none";
  }
  TempDir dir_;
  const std::string keys_ = dir_ / "master.keys", disk_ = dir_ / "machine/disk0.qcow2";
};

TEST_F(MachineDisksTest, AMachineOnAnEncryptedCloneWritesNothingInPlainText) {
  ASSERT_OK(MakeOverlay(Clone(/*encrypted=*/true), disk_, keys_));
  EXPECT_THAT(Io({"read -P 0x67 192k 64k", "write -P 0x77 1M 64k", "read -P 0 0 64k"}),
              Not(HasSubstr("failed")));
  ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadFile(disk_));
  EXPECT_EQ(bytes.find(std::string(64, 'w')), std::string::npos);
  EXPECT_GT(bytes.size(), block::kBlockSize);
  // What is read is what was written, and a wrong pattern is found.
  EXPECT_THAT(Io({"read -P 0x77 1M 64k"}), Not(HasSubstr("failed")));
  EXPECT_THAT(Io({"read -P 0x78 1M 64k"}), HasSubstr("failed"));
}

TEST_F(MachineDisksTest, ADetachedMachineNeedsNothingOfTheReplica) {
  ASSERT_OK(MakeOverlay(Clone(/*encrypted=*/true), disk_, keys_));
  ASSERT_THAT(Io({"write -P 0x77 1M 64k"}), Not(HasSubstr("failed")));
  ASSERT_OK(CopyChain(disk_, keys_, absl::Seconds(60), nullptr));
  std::filesystem::remove_all(dir_ / "store");
  ASSERT_OK_AND_ASSIGN(const auto image, crypt::QemuImage::Open(disk_, keys_));
  EXPECT_TRUE(image.encrypted());
  EXPECT_EQ(image.chain().size(), 1u);
  EXPECT_THAT(Io({"read -P 0x67 192k 64k", "read -P 0x77 1M 64k"}), Not(HasSubstr("failed")));
  ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadFile(disk_));
  EXPECT_EQ(bytes.find(std::string(64, 'g')), std::string::npos);
}

// QEMU itself, without a machine in it: it takes the disk as the command of a machine has it, under
// the same sandbox, and makes it independent while it has it open. Then it is killed.
class MachineDisksInQemuTest : public MachineDisksTest,
                               public ::testing::WithParamInterface<bool> {};

TEST_P(MachineDisksInQemuTest, QemuOpensItAndDetachesItWhileItRuns) {
  ASSERT_OK(MakeOverlay(Clone(/*encrypted=*/GetParam()), disk_, keys_));
  {
    ASSERT_OK_AND_ASSIGN(const OpenDisks disks, OpenDiskFiles({disk_}, keys_));
    const MachineState state{
        .spec = {.machine_id = "i-0123456789abcdef0", .disks = {{.path = "/"}}}};
    const std::vector<std::string> whole = QemuCommand(state, "", disks.blockdevs);
    const auto after = [&](const char* option) {
      return *(std::find(whole.begin(), whole.end(), option) + 1);
    };
    std::vector<std::string> command = {
        "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-machine",        "none",
        "-display",           "none",        "-sandbox",        after("-sandbox"), "-blockdev",
        after("-blockdev"),   "-qmp",        after("-qmp")};
    command.insert(command.end(), disks.arguments.begin(), disks.arguments.end());
    ASSERT_OK_AND_ASSIGN(const Spawned qemu, SpawnDetached({.argv = command,
                                                            .work_dir = dir_ / "machine",
                                                            .log_path = dir_ / "qemu.log",
                                                            .pid_path = dir_ / "qemu.pid",
                                                            .inherited_fds = disks.fds}));
    const absl::Cleanup end = [&] {
      EXPECT_OK(KillProcess(qemu.pid, qemu.start_time, absl::Seconds(10)));
    };
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    absl::StatusOr<Qmp> qmp = absl::UnavailableError("not yet");
    while (!qmp.ok() && absl::Now() < deadline && ProcessAlive(qemu.pid, qemu.start_time))
      qmp = Qmp::Connect(dir_ / "machine", kQmpSocket, absl::Seconds(5));
    ASSERT_TRUE(qmp.ok()) << qmp.status() << ReadFile(dir_ / "qemu.log").value_or("");
    ASSERT_OK(BeginCopy(*qmp, "disk0", "copy"));
    ASSERT_OK(BeginCopy(*qmp, "disk0", "copy"));  // after a restart of the service
    bool ended = false;
    while (!ended && absl::Now() < deadline) {
      ASSERT_OK_AND_ASSIGN(ended, CopyEnded(*qmp, "disk0", "copy"));
    }
    EXPECT_TRUE(ended);
  }
  std::filesystem::remove_all(dir_ / "store");
  ASSERT_OK_AND_ASSIGN(const auto chain, crypt::ReadChain(disk_));
  EXPECT_EQ(chain.size(), 1u);
  EXPECT_THAT(Io({"read -P 0x67 192k 64k", "read -P 0 0 64k"}), Not(HasSubstr("failed")));
}

INSTANTIATE_TEST_SUITE_P(PlainAndEncrypted, MachineDisksInQemuTest, ::testing::Bool());

TEST_F(MachineDisksTest, WithoutTheKeyThereIsNoMachine) {
  const std::string clone = Clone(/*encrypted=*/true);
  EXPECT_THAT(MakeOverlay(clone, disk_, ""),
              StatusIs(absl::StatusCode::kFailedPrecondition, "--master-key-file"));
  ASSERT_EQ(unlink(keys_.c_str()), 0);
  ASSERT_OK(crypt::AddMasterKey(keys_).status());
  EXPECT_THAT(MakeOverlay(clone, disk_, keys_),
              StatusIs(absl::StatusCode::kFailedPrecondition, "not in the master key file"));
  EXPECT_FALSE(std::filesystem::exists(disk_));
}

TEST_F(MachineDisksTest, PlainClonesNeedNoKey) {
  ASSERT_OK(MakeOverlay(Clone(/*encrypted=*/false), disk_, ""));
  EXPECT_THAT(Io({"read -P 0x67 192k 64k", "write -P 0x77 1M 64k"}), Not(HasSubstr("failed")));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "machine/group.key"));
  ASSERT_OK(CopyChain(disk_, "", absl::Seconds(60), nullptr));
  std::filesystem::remove_all(dir_ / "store");
  EXPECT_THAT(Io({"read -P 0x67 192k 64k", "read -P 0x77 1M 64k"}), Not(HasSubstr("failed")));
}

}  // namespace
}  // namespace godwit::jobs

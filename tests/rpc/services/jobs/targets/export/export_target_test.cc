// The export target with real images and qemu-img: what all targets promise, what the files hold,
// and what becomes of half-written ones.
#include "services/jobs/targets/export/export_target.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/time/clock.h"
#include "services/common/base/command.h"
#include "services/common/crypt/encrypted_image.h"
#include "services/common/crypt/qemu_image.h"
#include "tests/support/creation_contract.h"

namespace godwit::jobs {
namespace {

using ::godwit::testing::StatusIs;
using ::godwit::testing::TargetWorld;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

class ExportWorld final : public TargetWorld {
 public:
  explicit ExportWorld(std::string dir) : dir_(std::move(dir)) {}
  std::unique_ptr<Target> Open() override {
    auto target = ExportTarget::Open({.export_dir = dir_, .master_key_file = dir_ + ".keys"});
    EXPECT_OK(target.status());
    return target.ok() ? *std::move(target) : nullptr;
  }
  std::string MachineDir(const std::string& machine_id) const override {
    return absl::StrCat(dir_, "/", machine_id);
  }
  bool NeedsClone() const override { return false; }

 private:
  const std::string dir_;
};

std::unique_ptr<TargetWorld> MakeExportWorld(const std::string& dir) {
  return std::make_unique<ExportWorld>(dir);
}

bool Runs(const std::string& command) { return std::system(command.c_str()) == 0; }

}  // namespace
}  // namespace godwit::jobs

namespace godwit::testing {
INSTANTIATE_TEST_SUITE_P(Export, CreationContract, ::testing::Values(&jobs::MakeExportWorld));
}  // namespace godwit::testing

namespace godwit::jobs {
namespace {

class ExportTargetTest : public ::godwit::testing::TargetFixture {
 protected:
  std::string Dir() const { return world_->MachineDir(spec_.machine_id); }
  std::set<std::string> Names() const {
    std::set<std::string> out;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(Dir(), error))
      out.insert(entry.path().filename().string());
    return out;
  }
  MachineSpec SpecFor(const std::string& format) {
    MachineSpec spec = Spec();
    spec.export_format = format;
    return spec;
  }
  // A second disk: 6 MiB of nothing, then `mib` MiB of noise; an overlay, as clones are.
  MachineSpec WithSecondDisk(MachineSpec spec, int mib = 2) {
    const std::string raw = dir_ / "second.raw", path = dir_ / "second.qcow2";
    EXPECT_TRUE(
        Runs(absl::StrCat("truncate -s 6M ", raw, " && head -c ", mib, "M /dev/urandom >> ", raw,
                          " && qemu-img create -q -f qcow2 -F raw -b ", raw, " ", path)));
    spec.disks.push_back({.path = path});
    return spec;
  }
  // What an image holds, read back by a tool that did not compare it before, against the converted
  // disk.
  void ExpectSameBytes(const std::string& image, const std::string& driver, const std::string& disk,
                       const std::string& url = "") {
    const std::string back = dir_ / "back.raw", expected = dir_ / "expected.raw";
    ASSERT_TRUE(Runs(absl::StrCat("qemu-img convert -f ", driver, " -O raw ", image, " ", back)));
    ASSERT_TRUE(Runs(absl::StrCat("qemu-img convert -O raw ",
                                  url.empty() ? "-f qcow2 " + disk : url, " ", expected)));
    EXPECT_TRUE(Runs(absl::StrCat("cmp -n $(stat -c %s ", expected, ") ", back, " ", expected)))
        << image;
    // VHD's geometry aside, nothing is behind the end.
    EXPECT_TRUE(
        Runs(absl::StrCat("cmp -s -i $(stat -c %s ", expected, "):0 -n $(( $(stat -c %s ", back,
                          ") - $(stat -c %s ", expected, ") )) ", back, " /dev/zero")));
  }
  ExportState State() const {
    const auto text = ReadFile(Dir() + "/" + kExportState);
    EXPECT_OK(text.status());
    const auto state = text.ok() ? ExportStateFromJson(*text) : ExportState{};
    EXPECT_OK(state.status());
    return state.ok() ? *state : ExportState{};
  }
};
INSTANTIATE_TEST_SUITE_P(Export, ExportTargetTest, ::testing::Values(&MakeExportWorld));

TEST_P(ExportTargetTest, EveryFormatHoldsTheConvertedDisks) {
  for (const std::string format : {"qcow2", "raw", "vmdk", "vhd", "vhd-fixed", "vhdx"}) {
    const MachineSpec spec = WithSecondDisk(SpecFor(format));
    ASSERT_OK(target_->Create(spec));
    const image::ImageFormat& known = *image::FindImageFormat(format);
    const std::string suffix = known.suffix;
    EXPECT_THAT(Names(), UnorderedElementsAre("disk0." + suffix, "disk1." + suffix, "SHA256SUMS",
                                              "machine.json", kExportState));
    EXPECT_TRUE(Runs("cd " + Dir() + " && sha256sum --quiet -c SHA256SUMS"));
    for (std::size_t i = 0; i < 2; ++i)
      ExpectSameBytes(absl::StrCat(Dir(), "/disk", i, ".", suffix), known.driver,
                      spec.disks[i].path);
    EXPECT_FALSE(Runs("qemu-img info -f " + std::string(known.driver) + " " + Dir() + "/disk0." +
                      suffix + " | grep -q 'backing file'"));
    ASSERT_OK(target_->Destroy(spec.machine_id));
  }
}

TEST_P(ExportTargetTest, TheDescriptionSaysWhatTheMachineIs) {
  MachineSpec spec = WithSecondDisk(SpecFor(""));
  spec.firmware = "uefi";
  spec.network = Network::kBridge;  // not this target's affair
  ASSERT_OK(target_->Create(spec));
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(Dir() + "/machine.json"));
  const auto machine = nlohmann::json::parse(text, nullptr, false);
  ASSERT_TRUE(machine.is_object()) << text;
  EXPECT_EQ(machine["name"], spec.name);
  EXPECT_EQ(machine["boot_mode"], "uefi");
  EXPECT_EQ(machine["cpu_count"], 1);
  EXPECT_EQ(machine["memory_bytes"], 128ll << 20);
  EXPECT_EQ(machine["format"], "qcow2");
  EXPECT_EQ(machine["tags"]["owner"], "a & b");
  EXPECT_EQ(machine["nics"][0]["mac_address"], "52:54:00:12:34:56");
  ASSERT_EQ(machine["disks"].size(), 2u);
  EXPECT_EQ(machine["disks"][1]["order"], 1);
  EXPECT_EQ(machine["disks"][1]["file"], "disk1.qcow2");
  EXPECT_EQ(machine["disks"][1]["size_bytes"], 8 << 20);
  ASSERT_OK_AND_ASSIGN(const MachineStatus status, target_->Describe(spec.machine_id));
  EXPECT_EQ(std::filesystem::canonical(status.folder), std::filesystem::canonical(Dir()));
  EXPECT_THAT(target_->Start(spec.machine_id, 1),
              StatusIs(absl::StatusCode::kFailedPrecondition, "starts no machine"));
  ASSERT_OK(target_->Detach(spec.machine_id, absl::Minutes(1), nullptr));
}

TEST_P(ExportTargetTest, AnApplianceIsOneFileWithItsDescriptionBeside) {
  MachineSpec spec = WithSecondDisk(SpecFor("ova"));
  spec.disk_bus = "ahci";
  spec.nics[0].model = "e1000e";
  ASSERT_OK(target_->Create(spec));
  const std::string stem = FileStem(spec);
  EXPECT_THAT(Names(), UnorderedElementsAre(stem + ".ova", stem + ".ovf", "SHA256SUMS",
                                            "machine.json", kExportState));
  const std::string unpacked = dir_ / "unpacked";
  ASSERT_TRUE(Runs("mkdir " + unpacked + " && cd " + unpacked + " && tar xf " + Dir() + "/" + stem +
                   ".ova && sed 's/SHA256(\\(.*\\))= \\(.*\\)/\\2  \\1/' " + stem +
                   ".mf | sha256sum --quiet -c && xmllint --noout " + stem + ".ovf"));
  EXPECT_TRUE(Runs("cd " + Dir() + " && sha256sum --quiet -c SHA256SUMS"));
  for (std::size_t i = 0; i < 2; ++i)
    ExpectSameBytes(absl::StrCat(unpacked, "/disk", i, ".vmdk"), "vmdk", spec.disks[i].path);
  ASSERT_OK_AND_ASSIGN(const std::string ovf, ReadFile(Dir() + "/" + stem + ".ovf"));
  EXPECT_THAT(ovf, AllOf(HasSubstr("vmware.sata.ahci"), HasSubstr("E1000e"),
                         HasSubstr("52:54:00:12:34:56"), HasSubstr("ovf:href=\"disk1.vmdk\"")));
}

TEST_P(ExportTargetTest, EncryptedReplicasComeOutPlain) {
  const std::string keys = dir_ / "machines.keys";
  ASSERT_OK(crypt::AddMasterKey(keys).status());
  ASSERT_OK_AND_ASSIGN(const crypt::MasterKeys master, crypt::MasterKeys::Load(keys));
  ASSERT_OK_AND_ASSIGN(const crypt::GroupKeyPtr key,
                       crypt::GroupKey::LoadOrMake(dir_ / "", master));
  const std::string plain = dir_ / "plain.qcow2";
  ASSERT_EQ(rename(disk_.c_str(), plain.c_str()), 0);
  ASSERT_OK(crypt::CreateEncryptedImage(disk_, 1 << 20, plain, *key));
  // Written through the encryption: half of what is read comes from each image.
  ASSERT_OK_AND_ASSIGN(crypt::QemuImage encrypted, crypt::QemuImage::Open(disk_, keys));
  ASSERT_OK_AND_ASSIGN(const auto secret, encrypted.SecretArguments("--object"));
  std::vector<std::string> write = {"qemu-io", "-c", "write -P 0x77 512k 64k"};
  write.insert(write.end(), secret.begin(), secret.end());
  write.push_back(encrypted.Url());
  ASSERT_OK_AND_ASSIGN(const int fd, encrypted.SecretFd());
  ASSERT_OK_AND_ASSIGN(const CommandResult ran, RunCommand(write, absl::Minutes(1), nullptr, fd));
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  const std::string expected = dir_ / "expected.qcow2";
  ASSERT_TRUE(Runs("cp " + plain + " " + expected +
                   " && qemu-io -f qcow2 -c 'write -P 0x77 512k "
                   "64k' " +
                   expected + " > " + std::string(dir_ / "io.log")));
  for (const std::string format : {"vmdk", "ova", "vhd", "qcow2"}) {
    const MachineSpec spec = SpecFor(format);
    ASSERT_OK(target_->Create(spec));
    if (format == "ova") {
      ASSERT_TRUE(Runs("cd " + Dir() + " && tar xf *.ova"));
    }
    const image::ImageFormat& known = *image::FindImageFormat(format);
    ExpectSameBytes(Dir() + "/disk0." + known.suffix, known.driver, expected);
    ASSERT_OK(target_->Destroy(spec.machine_id));
  }
  ASSERT_EQ(unlink(keys.c_str()), 0);
  EXPECT_FALSE(target_->Create(SpecFor("raw")).ok()) << "there is no key";
}

TEST_P(ExportTargetTest, AKilledWriterIsFollowedByOneThatKeepsWhatIsComplete) {
  const MachineSpec spec = WithSecondDisk(SpecFor("vmdk"));
  const pid_t writer = fork();
  if (writer == 0) {
    // Dies while the second image is being written.
    const absl::Status ended = target_->CreateWatched(
        spec,
        {.check = nullptr, .progress = [](const std::string&, std::int64_t done, std::int64_t) {
           if (done > (3 << 20)) kill(getpid(), SIGKILL);
         }});
    _exit(ended.ok() ? 1 : 2);
  }
  int status = 0;
  ASSERT_EQ(waitpid(writer, &status, 0), writer);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  EXPECT_THAT(Names(), Contains(".partial-1-disk1.vmdk"));
  EXPECT_THAT(Names(), Not(Contains("disk1.vmdk")));
  EXPECT_EQ(PowerOf(), Power::kAbsent) << "half a machine is none";
  ASSERT_EQ(State().files.size(), 1u);
  const ino_t first = [&] {
    struct stat info {};
    EXPECT_EQ(stat((Dir() + "/disk0.vmdk").c_str(), &info), 0);
    return info.st_ino;
  }();
  MachineSpec next = spec;
  next.epoch = 2;
  ASSERT_OK(target_->Create(next));
  EXPECT_THAT(Names(), UnorderedElementsAre("disk0.vmdk", "disk1.vmdk", "SHA256SUMS",
                                            "machine.json", kExportState));
  struct stat info {};
  ASSERT_EQ(stat((Dir() + "/disk0.vmdk").c_str(), &info), 0);
  EXPECT_EQ(info.st_ino, first) << "what was complete is not written again";
  ExpectSameBytes(Dir() + "/disk1.vmdk", "vmdk", spec.disks[1].path);
}

TEST_P(ExportTargetTest, AnOlderWriterThatWakesUpChangesNothing) {
  const MachineSpec old = SpecFor("raw");
  MachineSpec fresh = old;
  fresh.epoch = 2;
  // While the older one writes, a newer lease makes the machine.
  bool made = false;
  const absl::Status status = target_->CreateWatched(
      old, {.check = nullptr, .progress = [&](const std::string&, std::int64_t, std::int64_t) {
              if (made) return;
              made = true;
              EXPECT_OK(world_->Open()->Create(fresh));
            }});
  EXPECT_TRUE(made);
  EXPECT_EQ(Classify(status), ErrorClass::kLostLease) << status;
  EXPECT_EQ(State().epoch, 2);
  EXPECT_EQ(PowerOf(), Power::kStopped);
  ExpectSameBytes(Dir() + "/disk0.raw", "raw", disk_);
}

TEST_P(ExportTargetTest, CancellingEndsALongImageAtOnceAndShowsProgressBefore) {
  const MachineSpec spec = WithSecondDisk(SpecFor("vmdk"), /*mib=*/48);  // seconds of deflating
  std::vector<std::int64_t> seen;
  std::int64_t total = 0;
  absl::Time asked = absl::InfiniteFuture();
  const absl::Status status = target_->CreateWatched(
      spec, {.check =
                 [&] {
                   if (seen.empty() || seen.back() <= (10 << 20)) return absl::OkStatus();
                   asked = std::min(asked, absl::Now());
                   return absl::CancelledError("the operator said so");
                 },
             .progress =
                 [&](const std::string&, std::int64_t done, std::int64_t of) {
                   seen.push_back(done);
                   total = of;
                 }});
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled, "the operator said so"));
  EXPECT_LT(absl::Now() - asked, absl::Seconds(2));
  EXPECT_EQ(total, (1 + 6 + 48) << 20);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_GT(seen.size(), 5u);
  EXPECT_THAT(Names(), Not(Contains(HasSubstr(".partial"))));
  EXPECT_EQ(PowerOf(), Power::kAbsent);
}

// In a child with mounts of its own: a file system of 4 MiB does not hold 8 MiB of noise.
TEST_P(ExportTargetTest, NoSpaceNamesWhatIsNeeded) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting a small file system needs root";
  const MachineSpec spec = WithSecondDisk(SpecFor("raw"), /*mib=*/8);
  const std::string small = dir_ / "small", said = dir_ / "said";
  ASSERT_OK(MakeDirs(small));
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNS) != 0 || mount("", "/", "", MS_REC | MS_PRIVATE, "") != 0 ||
        mount("tmpfs", small.c_str(), "tmpfs", 0, "size=4m") != 0)
      _exit(3);
    const auto target = ExportTarget::Open({.export_dir = small});
    const absl::Status status = target.ok() ? (*target)->Create(spec) : target.status();
    _exit(WriteFileAtomically(said, status.ToString()).ok() ? 0 : 4);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_EQ(WEXITSTATUS(status), 0);
  const std::string text = ReadFile(said).value_or("");
  EXPECT_THAT(text, AllOf(HasSubstr("FAILED_PRECONDITION"), HasSubstr("NO_SPACE"),
                          ::testing::ContainsRegex("needs up to [0-9]{7,8} bytes"),
                          ::testing::ContainsRegex("[0-9]{6,7} are free")));
}

TEST_P(ExportTargetTest, RefusesFormatsItDoesNotKnow) {
  EXPECT_THAT(target_->Create(SpecFor("floppy")),
              StatusIs(absl::StatusCode::kInvalidArgument, "vhdx"));
  EXPECT_THAT(Names(), IsEmpty());
}

}  // namespace
}  // namespace godwit::jobs

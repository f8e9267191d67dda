// The libvirt target with a real libvirt daemon: what all targets promise, with disks as files and
// with disks uploaded to a storage pool, and what becomes of domains when the daemon dies.
#include "services/jobs/targets/libvirt/libvirt_target.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "services/common/crypt/encrypted_image.h"
#include "tests/support/creation_contract.h"
#include "tests/support/libvirt_daemon.h"
#include "tests/support/target_contract.h"

namespace godwit::jobs {
namespace {

using ::godwit::testing::LibvirtDaemon;
using ::godwit::testing::StatusIs;
using ::godwit::testing::TargetWorld;
using ::testing::HasSubstr;

// One for all tests of this program.
LibvirtDaemon* Daemon() {
  static const auto daemon = LibvirtDaemon::Start();
  EXPECT_OK(daemon.status());
  return daemon.ok() ? daemon->get() : nullptr;
}

class LibvirtWorld : public TargetWorld {
 public:
  explicit LibvirtWorld(std::string dir, std::string pool = "")
      : dir_(std::move(dir)), pool_(std::move(pool)) {}
  // With the keys of encrypted replicas, and perhaps the consent to store them plain.
  std::unique_ptr<Target> OpenWithKeys(const std::string& keys, bool pool_plain) {
    master_key_file_ = keys;
    pool_plain_ = pool_plain;
    return Open();
  }
  std::unique_ptr<Target> Open() override {
    if (Daemon() == nullptr) return nullptr;
    auto target =
        LibvirtTarget::Open({.uri = Daemon()->uri(),
                             .machines_dir = dir_,
                             .pool = pool_,
                             .pool_plain = pool_plain_,
                             .host = {.type = "qemu",
                                      .uefi_code = "/usr/share/OVMF/OVMF_CODE_4M.fd",
                                      .uefi_variables = "/usr/share/OVMF/OVMF_VARS_4M.fd"},
                             .master_key_file = master_key_file_});
    EXPECT_OK(target.status());
    return target.ok() ? *std::move(target) : nullptr;
  }
  std::string MachineDir(const std::string& machine_id) const override {
    return absl::StrCat(dir_, "/", machine_id);
  }
  bool NeedsClone() const override { return pool_.empty(); }

 private:
  const std::string dir_, pool_;
  std::string master_key_file_;
  bool pool_plain_ = false;
};

// A storage pool of the daemon, in a folder of the test.
class PooledWorld final : public LibvirtWorld {
 public:
  explicit PooledWorld(const std::string& dir)
      : LibvirtWorld(dir, "godwit"), connection_(Daemon()->uri()) {
    folder_ = dir + ".pool";
    EXPECT_OK(MakeDirs(folder_, 0700));
    const std::string xml = absl::StrCat("<pool type='dir'><name>godwit</name><target><path>",
                                         folder_, "</path></target></pool>");
    const auto connection = connection_.Get();
    EXPECT_OK(connection.status());
    if (connection.ok()) pool_ = virStoragePoolCreateXML(connection->get(), xml.c_str(), 0);
    EXPECT_NE(pool_, nullptr) << LibvirtError("pool");
  }
  ~PooledWorld() override {
    EXPECT_TRUE(std::filesystem::is_empty(folder_)) << "volumes are left";
    if (pool_ == nullptr) return;
    virStoragePoolDestroy(pool_);
    virStoragePoolFree(pool_);
  }

 private:
  LibvirtConnection connection_;
  std::string folder_;
  virStoragePoolPtr pool_ = nullptr;
};

std::unique_ptr<TargetWorld> MakeFiles(const std::string& dir) {
  return std::make_unique<LibvirtWorld>(dir);
}
std::unique_ptr<TargetWorld> MakePooled(const std::string& dir) {
  return std::make_unique<PooledWorld>(dir);
}

}  // namespace
}  // namespace godwit::jobs

namespace godwit::testing {
INSTANTIATE_TEST_SUITE_P(Files, TargetContract, ::testing::Values(&jobs::MakeFiles));
INSTANTIATE_TEST_SUITE_P(Pool, TargetContract, ::testing::Values(&jobs::MakePooled));
INSTANTIATE_TEST_SUITE_P(Files, CreationContract, ::testing::Values(&jobs::MakeFiles));
INSTANTIATE_TEST_SUITE_P(Pool, CreationContract, ::testing::Values(&jobs::MakePooled));
}  // namespace godwit::testing

namespace godwit::jobs {
namespace {

class LibvirtTargetTest : public ::godwit::testing::TargetContract {};
INSTANTIATE_TEST_SUITE_P(Files, LibvirtTargetTest, ::testing::Values(&MakeFiles));

TEST_P(LibvirtTargetTest, ADaemonThatIsKilledLosesNoMachine) {
  ASSERT_OK(target_->Create(Spec()));
  ASSERT_OK(target_->Start(spec_.machine_id, 1));
  AwaitHello();
  const std::vector<int> running = ::godwit::testing::ProcessesOf(spec_.machine_id);
  ASSERT_OK(Daemon()->Restart());
  // The broken connection is replaced; at most the first call shows that it was.
  auto found = target_->Start(spec_.machine_id, 2);
  if (!found.ok()) found = target_->Start(spec_.machine_id, 2);
  ASSERT_OK(found.status());
  EXPECT_EQ(found->power, Power::kRunning);
  EXPECT_EQ(::godwit::testing::ProcessesOf(spec_.machine_id), running);
  EXPECT_EQ(Classify(target_->Start(spec_.machine_id, 1).status()), ErrorClass::kLostLease);
}

TEST_P(LibvirtTargetTest, APortThatWasTakenMeanwhileIsChosenAnew) {
  ASSERT_OK(target_->Create(Spec()));
  ASSERT_OK_AND_ASSIGN(const MachineStatus made, target_->Describe(spec_.machine_id));
  const std::string before = made.endpoints.at(22);
  const Fd taken(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port =
      htons(static_cast<std::uint16_t>(std::stoi(before.substr(before.rfind(':') + 1))));
  ASSERT_EQ(bind(taken.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(taken.get(), 1), 0);
  ASSERT_OK_AND_ASSIGN(const MachineStatus started, target_->Start(spec_.machine_id, 1));
  EXPECT_EQ(started.power, Power::kRunning);
  EXPECT_NE(started.endpoints.at(22), before);
}

TEST_P(LibvirtTargetTest, NamesAndTagsComeBackAsTheyWere) {
  ASSERT_OK(target_->Create(Spec()));
  LibvirtConnection connection(Daemon()->uri());
  ASSERT_OK_AND_ASSIGN(const DomainPtr domain, connection.FindDomain(spec_.machine_id));
  ASSERT_OK_AND_ASSIGN(const std::string metadata, connection.Metadata(domain.get(), kMetadataUri));
  EXPECT_THAT(metadata, HasSubstr("value=\"a &amp; b\""));
  const std::unique_ptr<char, void (*)(void*)> title(
      virDomainGetMetadata(domain.get(), VIR_DOMAIN_METADATA_TITLE, nullptr, 0), &free);
  ASSERT_NE(title, nullptr);
  EXPECT_EQ(std::string(title.get()), spec_.name);
}

TEST_P(LibvirtTargetTest, UefiMachinesHaveVariablesOfTheirOwn) {
  MachineSpec spec = Spec();
  spec.firmware = "uefi";
  spec.memory_bytes = 256ll << 20;
  ASSERT_OK(target_->Create(spec));
  ASSERT_OK_AND_ASSIGN(const MachineStatus status, target_->Start(spec.machine_id, 1));
  EXPECT_EQ(status.power, Power::kRunning);
  // The boot sector is no UEFI program: the firmware finds nothing and goes on.
  std::string said;
  for (int i = 0; i < 300 && said.find("BdsDxe") == std::string::npos; ++i) {
    absl::SleepFor(absl::Milliseconds(200));
    const auto chunk = target_->ReadConsole(spec.machine_id, 0);
    ASSERT_OK(chunk.status());
    said = chunk->content;
  }
  EXPECT_THAT(said, HasSubstr("BdsDxe"));
}

// The tiny guest, in an image as those of an encrypted replica are.
void Encrypt(const std::string& disk, const std::string& folder, const std::string& keys) {
  ASSERT_OK(crypt::AddMasterKey(keys).status());
  ASSERT_OK_AND_ASSIGN(const crypt::MasterKeys master, crypt::MasterKeys::Load(keys));
  ASSERT_OK_AND_ASSIGN(const crypt::GroupKeyPtr key, crypt::GroupKey::LoadOrMake(folder, master));
  const std::string plain = disk + ".plain";
  ASSERT_EQ(rename(disk.c_str(), plain.c_str()), 0);
  ASSERT_OK(crypt::CreateEncryptedImage(disk, 1 << 20, plain, *key));
}

class LibvirtEncryptionTest : public LibvirtTargetTest {};
INSTANTIATE_TEST_SUITE_P(Files, LibvirtEncryptionTest, ::testing::Values(&MakeFiles));
INSTANTIATE_TEST_SUITE_P(Pool, LibvirtEncryptionTest, ::testing::Values(&MakePooled));

TEST_P(LibvirtEncryptionTest, EncryptedReplicasAreStoredPlainOnlyByConsent) {
  const std::string keys = dir_ / "master.keys";
  Encrypt(disk_, dir_ / "", keys);
  auto& world = static_cast<LibvirtWorld&>(*world_);
  target_ = world.OpenWithKeys(keys, /*pool_plain=*/false);
  EXPECT_THAT(target_->Create(Spec()),
              StatusIs(absl::StatusCode::kFailedPrecondition, "--libvirt-pool-plain"));
  EXPECT_EQ(PowerOf(), Power::kAbsent);
  target_ = world.OpenWithKeys(keys, /*pool_plain=*/true);
  if (world.NeedsClone()) {
    EXPECT_THAT(target_->Create(Spec()),
                StatusIs(absl::StatusCode::kFailedPrecondition, "--libvirt-pool"));
    return;
  }
  ASSERT_OK(target_->Create(Spec()));
  ASSERT_OK(target_->Start(spec_.machine_id, 1));
  AwaitHello();
}

TEST(LibvirtTarget, SaysWhatItNeeds) {
  const ::godwit::testing::TempDir dir;
  EXPECT_THAT(LibvirtTarget::Open(
                  {.uri = "qemu+ssh://host.invalid/system", .machines_dir = dir / "machines"}),
              StatusIs(absl::StatusCode::kInvalidArgument, "pool"));
  ASSERT_OK_AND_ASSIGN(const auto away,
                       LibvirtTarget::Open({.uri = "qemu+unix:///session?socket=/nonexistent/x",
                                            .machines_dir = dir / "machines"}));
  EXPECT_THAT(away->Describe("i-0123456789abcdef0"),
              StatusIs(absl::StatusCode::kUnavailable, "nonexistent"));
}

}  // namespace
}  // namespace godwit::jobs

// points export, of clones that the real store made.
#include <filesystem>

#include "services/common/base/file.h"
#include "services/common/crypt/master_keys.h"
#include "services/replication/worker/store/file_store.h"
#include "tests/rpc/cli/fake_installation.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/cli/run.h"

namespace godwit::cli {
namespace {

using ::testing::HasSubstr;

constexpr char kServer[] = "s-00000000000000001";
constexpr char kPoint[] = "p-00000000000000001";

class PointExportTest : public ::testing::Test {
 protected:
  void SetUp() override { MakeClone(/*encrypted=*/false); }
  void MakeClone(bool encrypted) {
    if (encrypted) ASSERT_OK(crypt::AddMasterKey(keys_).status());
    ASSERT_OK_AND_ASSIGN(const auto store,
                         store::OpenFileStore(folder_ + "/store", encrypted ? keys_ : ""));
    const std::vector<store::DiskSpec> disks = {{.disk_id = "d-00000000000000001",
                                                 .device_name = "/dev/sda",
                                                 .size_bytes = kBytes,
                                                 .is_boot_disk = true}};
    ASSERT_OK_AND_ASSIGN(const auto group,
                         encrypted ? store->OpenEncryptedGroup("s-00000000000000002", 1, disks)
                                   : store->OpenGroup(kServer, 1, disks));
    block::AlignedBuffer buffer(block::kBlockSize);
    std::fill(buffer.bytes().begin(), buffer.bytes().end(), 'g');
    ASSERT_OK(group->Write(0, 3, buffer.bytes()));
    ASSERT_OK(group->Commit({.epoch = 1, .consistency = 1}));
    ASSERT_OK_AND_ASSIGN(const auto files, group->CreateClone("c-00000000000000001", 1));
    fake_.replication.clone.set_name("sourceServers/s/clones/c-00000000000000001");
    fake_.replication.clone.clear_disks();
    auto& disk = *fake_.replication.clone.add_disks();
    disk.set_device_name("/dev/sda");
    disk.set_path(files[0].path);
    disk.set_size_bytes(kBytes);
  }
  Ran Export(std::vector<std::string> more) {
    more.insert(more.begin(),
                {"points", "export", kServer, kPoint, "--directory", folder_ + "/out"});
    return Godwit(fake_.Options(std::move(more)));
  }

  static constexpr std::size_t kBytes = 2 << 20;
  ::godwit::testing::FakeInstallation fake_;
  const std::string folder_ = fake_.dir(), keys_ = folder_ + "/master.keys";
};

TEST_F(PointExportTest, TheImageIsThePointAndTheCloneGoes) {
  const Ran ran = Export({"--format", "raw"});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("sda.raw"));
  ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadFile(folder_ + "/out/sda.raw", kBytes + 1));
  std::string expected(kBytes, '\0');
  std::fill_n(expected.begin() + 3 * block::kBlockSize, block::kBlockSize, 'g');
  EXPECT_TRUE(bytes == expected);
  EXPECT_EQ(fake_.replication.deleted_clones.size(), 1u);
  const Ran again = Export({"--format", "raw"});
  EXPECT_NE(again.exit_code, 0);
  EXPECT_THAT(again.err, HasSubstr("exists"));
  EXPECT_EQ(fake_.replication.deleted_clones.size(), 2u);
}

TEST_F(PointExportTest, AnEncryptedReplicaIsExportedWithTheWorkersKeys) {
  MakeClone(/*encrypted=*/true);
  const Ran without = Export({"--format", "raw"});
  EXPECT_NE(without.exit_code, 0);
  EXPECT_THAT(without.err, HasSubstr("--master-key-file"));
  const Ran ran = Export({"--format", "raw", "--master-key-file", keys_});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadFile(folder_ + "/out/sda.raw", kBytes + 1));
  std::string expected(kBytes, '\0');
  std::fill_n(expected.begin() + 3 * block::kBlockSize, block::kBlockSize, 'g');
  EXPECT_TRUE(bytes == expected);
}

// What the disk of the point holds.
std::string Expected(std::size_t size) {
  std::string bytes(size, '\0');
  std::fill_n(bytes.begin() + 3 * block::kBlockSize, block::kBlockSize, 'g');
  return bytes;
}

class PointExportOfAnyTest : public PointExportTest, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override { MakeClone(/*encrypted=*/GetParam()); }
  Ran ExportWithKeys(std::vector<std::string> more) {
    if (GetParam()) more.insert(more.end(), {"--master-key-file", keys_});
    return Export(std::move(more));
  }
  // Reads an image back by a tool that did not compare it before.
  void ExpectHoldsThePoint(const std::string& file, const std::string& driver) {
    ASSERT_EQ(std::system(("qemu-img convert -f " + driver + " -O raw " + file + " " + folder_ +
                           "/back.raw")
                              .c_str()),
              0);
    ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadFile(folder_ + "/back.raw", 2 * kBytes));
    EXPECT_TRUE(bytes.substr(0, kBytes) == Expected(kBytes)) << file;
    EXPECT_EQ(bytes.find_first_not_of('\0', kBytes), std::string::npos) << file;
  }
};
INSTANTIATE_TEST_SUITE_P(PlainAndEncrypted, PointExportOfAnyTest, ::testing::Bool());

TEST_P(PointExportOfAnyTest, EveryFormatHoldsThePoint) {
  for (const std::string format : {"qcow2", "vmdk", "vhd", "vhd-fixed", "vhdx"}) {
    const Ran ran = ExportWithKeys({"--format", format});
    ASSERT_EQ(ran.exit_code, 0) << format << ": " << ran.err;
    EXPECT_THAT(ran.out, HasSubstr("sha256:"));
    const std::string file = folder_ + "/out/sda." + (format == "vhd-fixed" ? "vhd" : format);
    ExpectHoldsThePoint(file, format.starts_with("vhd") && format != "vhdx" ? "vpc" : format);
    std::filesystem::remove(file);
  }
}

TEST_P(PointExportOfAnyTest, AnApplianceHasDisksDescriptionAndManifest) {
  const Ran ran =
      ExportWithKeys({"--format", "ova", "--name", "web1", "--cpus", "2", "--memory", "2GiB"});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("web1.ova"));
  ASSERT_EQ(std::system(("cd " + folder_ +
                         "/out && tar xf web1.ova && sed 's/SHA256(\\(.*\\))= "
                         "\\(.*\\)/\\2  \\1/' web1.mf | sha256sum --quiet -c && xmllint --noout "
                         "web1.ovf && qemu-img check -q -f vmdk sda.vmdk")
                            .c_str()),
            0);
  ExpectHoldsThePoint(folder_ + "/out/sda.vmdk", "vmdk");
  ASSERT_OK_AND_ASSIGN(const std::string ovf, ReadFile(folder_ + "/out/web1.ovf"));
  EXPECT_THAT(ovf, HasSubstr("<rasd:VirtualQuantity>2048</rasd:VirtualQuantity>"));
  EXPECT_THAT(ovf, HasSubstr("ovf:href=\"sda.vmdk\""));
}

TEST_F(PointExportTest, AStoreOfAnotherMachineIsTold) {
  fake_.replication.clone.mutable_disks(0)->set_path("/somewhere/else/sda.qcow2");
  const Ran ran = Export({});
  EXPECT_NE(ran.exit_code, 0);
  EXPECT_THAT(ran.err, HasSubstr("host of the replication worker"));
  EXPECT_EQ(fake_.replication.deleted_clones.size(), 1u);
  EXPECT_NE(Export({"--format", "floppy"}).exit_code, 0);
}

}  // namespace
}  // namespace godwit::cli

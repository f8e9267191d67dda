// What disks say of themselves: superblocks, partition tables, LVM's reports, the tables of a
// guest.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/conversion/appliance/disk_keys.h"
#include "services/conversion/converter/fstab.h"
#include "services/conversion/converter/lvm_report.h"
#include "services/conversion/converter/partition_table.h"
#include "services/conversion/converter/pinned_devices.h"
#include "services/conversion/converter/root_choice.h"
#include "services/conversion/converter/superblock.h"
#include "services/conversion/converter/tools.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::convert {
namespace {

using ::godwit::testing::Process;
using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// The superblock of a file of 320 MiB that a real program formatted.
Superblock Formatted(const std::string& command) {
  const TempDir dir;
  const std::string path = dir / "disk",
                    script = absl::StrCat("truncate -s 320M ", path, " && ", command, " ", path);
  auto process = Process::Start({.command = {"/bin/sh", "-c", script}, .log = dir / "log"});
  EXPECT_OK(process.status());
  if (!process.ok() || *process->Wait(absl::Seconds(30)) != 0) {
    ADD_FAILURE() << process->Log();
    return {};
  }
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string head(131072, '\0'), tail(kTailBytes, '\0');
  const off_t size = lseek(fd.get(), 0, SEEK_END);
  EXPECT_EQ(pread(fd.get(), head.data(), head.size(), 0), static_cast<ssize_t>(head.size()));
  EXPECT_EQ(pread(fd.get(), tail.data(), tail.size(), size - static_cast<off_t>(tail.size())),
            static_cast<ssize_t>(tail.size()));
  return ParseSuperblock(head, tail, static_cast<std::uint64_t>(size));
}

TEST(Superblock, WhatRealProgramsWrite) {
  const std::string id = "6d696e69-0000-4000-8000-000000000001";
  for (const char* type : {"ext2", "ext3", "ext4"}) {
    const Superblock super = Formatted(absl::StrCat("/sbin/mkfs.", type, " -q -L hello -U ", id));
    EXPECT_EQ(super.type, type);
    EXPECT_EQ(super.uuid, id);
    EXPECT_EQ(super.label, "hello");
  }
  const Superblock btrfs = Formatted("/sbin/mkfs.btrfs -q -L 'a b' -U " + id);
  EXPECT_EQ(btrfs.type, "btrfs");
  EXPECT_EQ(btrfs.uuid, id);
  EXPECT_EQ(btrfs.label, "a b");
  EXPECT_EQ(btrfs.device_count, 1u);
  const Superblock vfat = Formatted("/sbin/mkfs.vfat -F 32 -i 1234ABCD -n ESP");
  EXPECT_EQ(vfat.type, "vfat");
  EXPECT_EQ(vfat.uuid, "1234-ABCD");
  EXPECT_EQ(vfat.label, "ESP");
  const Superblock xfs = Formatted("/sbin/mkfs.xfs -q -L data -m uuid=" + id);
  EXPECT_EQ(xfs.type, "xfs");
  EXPECT_EQ(xfs.label, "data");
  const Superblock luks = Formatted(
      "echo k | /sbin/cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 "
      "--pbkdf-force-iterations 1000 --uuid " +
      id);
  EXPECT_EQ(luks.type, "luks");
  EXPECT_EQ(luks.uuid, id);
  EXPECT_EQ(Formatted("/sbin/mkswap -q -U " + id).uuid, id);
}

TEST(Superblock, AnArrayAtTheEndIsNoFileSystem) {
  std::string head(131072, '\0'), tail(kTailBytes, '\0');
  head.replace(1024 + 56, 2, "\x53\xef");
  const std::uint64_t size = std::uint64_t{1} << 30;
  std::string super("\xfc\x4e\x2b\xa9\1\0\0\0", 8);
  super.resize(256, '\0');
  super.replace(16, 16, absl::HexStringToBytes("00112233445566778899aabbccddeeff"));
  super.replace(32, 6, "host:0");
  super[72] = 1;
  super[92] = 2;
  const std::uint64_t at = ((size / 512 - 16) & ~std::uint64_t{7}) * 512;
  tail.replace(at - (size - tail.size()), super.size(), super);
  const Superblock found = ParseSuperblock(head, tail, size);
  EXPECT_EQ(found.type, "md");
  EXPECT_EQ(found.uuid, "00112233:44556677:8899aabb:ccddeeff");
  EXPECT_EQ(found.label, "host:0");
  EXPECT_EQ(found.device_count, 2u);
  EXPECT_EQ(found.level, 1);
  EXPECT_EQ(ParseSuperblock(head).type, "ext2");
}

TEST(Partitions, GptAndMbrAsSfdiskWritesThem) {
  const auto table = [](const std::string& script) {
    const TempDir dir;
    const std::string path = dir / "disk";
    auto process =
        Process::Start({.command = {"/bin/sh", "-c",
                                    absl::StrCat("truncate -s 64M ", path, " && printf '", script,
                                                 "' | /sbin/sfdisk -q ", path)},
                        .log = dir / "log"});
    EXPECT_OK(process.status());
    EXPECT_EQ(*process->Wait(absl::Seconds(30)), 0) << process->Log();
    return ParsePartitionTable(ReadFile(path, 100 << 20)->substr(0, kPartitionTableBytes), 131072);
  };
  PartitionTable gpt = table(
      "label: gpt\\nsize=8MiB, type=uefi, name=\"EFI system\", "
      "uuid=6D696E69-0000-4000-8000-0000000000A1\\nsize=8MiB, type=linux\\n");
  EXPECT_EQ(gpt.kind, PartitionTable::Kind::kGpt);
  ASSERT_THAT(gpt.ids, SizeIs(2));
  EXPECT_TRUE(gpt.partitions[0].is_esp);
  EXPECT_EQ(gpt.ids[1].uuid, "6d696e69-0000-4000-8000-0000000000a1");
  EXPECT_EQ(gpt.ids[1].label, "EFI system");
  EXPECT_TRUE(IsEfiSystemPartition(gpt.ids[1].type));
  EXPECT_FALSE(IsEfiSystemPartition(gpt.ids[2].type));
  PartitionTable mbr =
      table("label: dos\\nlabel-id: 0x1234abcd\\nsize=8MiB, type=83\\nsize=8MiB, type=5\\n");
  EXPECT_EQ(mbr.kind, PartitionTable::Kind::kMbr);
  EXPECT_EQ(mbr.ids[1].uuid, "1234abcd-01");
  EXPECT_EQ(mbr.ids[5].uuid, "1234abcd-05") << "a logical one";
  std::string volume(kPartitionTableBytes, '\xff');
  volume.replace(510, 2, "\x55\xaa");
  EXPECT_EQ(ParsePartitionTable(volume, 131072).kind, PartitionTable::Kind::kNone)
      << "the boot sector of a file system";
}

TEST(LvmReport, OnlyNamesThatLvmAllows) {
  ASSERT_OK_AND_ASSIGN(const auto volumes, ParseLogicalVolumes(
                                               R"({"report":[{"lv":[
            {"lv_name":"root","vg_name":"vg-a","lv_uuid":"1","segtype":"linear","lv_active":"active","lv_attr":"-wi-a-----"},
            {"lv_name":"root","vg_name":"vg-a","lv_uuid":"1","segtype":"linear","lv_active":"active","lv_attr":"-wi-a-----"},
            {"lv_name":"../x","vg_name":"vg-a","lv_uuid":"2"},{"lv_name":7},"text",
            {"lv_name":"srv","vg_name":"vg-a","lv_uuid":"3","segtype":"striped","lv_active":"","lv_attr":"-wi-----p-"}]}]})",
                                               10));
  ASSERT_THAT(volumes, SizeIs(2));
  EXPECT_TRUE(volumes[0].active);
  EXPECT_TRUE(volumes[1].partial);
  EXPECT_FALSE(volumes[1].active);
  EXPECT_EQ(MapperName(volumes[0].group, volumes[0].name), "vg--a-root");
  EXPECT_FALSE(ParseLogicalVolumes("{", 10).ok());
  ASSERT_OK_AND_ASSIGN(
      const auto missing,
      ParseMissingDisks(R"({"report":[{"pv":[{"pv_uuid":"a","vg_name":"v","pv_missing":"missing"},
                                             {"pv_uuid":"b","vg_name":"v","pv_missing":""}]}]})"));
  ASSERT_THAT(missing, SizeIs(1));
  EXPECT_EQ(missing[0].uuid, "a");
}

TEST(Tables, CrypttabMdadmAndLvm) {
  std::vector<std::string> unresolved;
  const StableName stable = [](const std::string& name) -> std::optional<std::string> {
    if (name == "/dev/sda2") return "UUID=1";
    return std::nullopt;
  };
  EXPECT_EQ(EditCrypttab("# /dev/sda2\nsecret\t/dev/sda2 none luks\nswap /dev/sdz9 /dev/urandom "
                         "swap\nx /var/file none\n",
                         stable, &unresolved),
            "# /dev/sda2\nsecret\tUUID=1 none luks\nswap /dev/sdz9 /dev/urandom swap\nx /var/file "
            "none\n");
  EXPECT_THAT(unresolved, ElementsAre("/dev/sdz9"));
  EXPECT_EQ(EditMdadm("DEVICE /dev/sd[ab]1\nARRAY /dev/md0 UUID=x devices=/dev/sda1,/dev/sdb1\n"
                      "MAILADDR root\n"),
            "DEVICE partitions containers\nARRAY /dev/md0 UUID=x\nMAILADDR root\n");
  const std::string keeps = "devices {\n\tfilter = [ \"r|/dev/cdrom|\" ]\n\t# filter = x\n}\n";
  EXPECT_EQ(EditLvm(keeps), keeps);
  const std::string edited = EditLvm(
      "devices {\n\tglobal_filter = [\n\t\"a|/dev/sda2|\",\n\t\"r|.*|\" ]\n\tdir = \"/dev\"\n"
      "\tuse_devicesfile = 1\n}\n");
  EXPECT_THAT(edited, HasSubstr("# before the migration: \tglobal_filter = [\n# before the "
                                "migration: \t\"a|/dev/sda2|\",\n# before the migration: "
                                "\t\"r|.*|\" ]\n\tdir = \"/dev\"\n# before the migration: \tuse"));
  EXPECT_EQ(EditLvm(edited), edited);
}

TEST(Tables, APinnedListOfDevicesGoesAndIsSwitchedOffInImages) {
  const TempDir dir;
  ASSERT_OK(MakeDirs(dir / "etc/lvm/devices"));
  ASSERT_OK(WriteFileAtomically(dir / "etc/lvm/devices/system.devices", "IDTYPE=sys_wwid\n"));
  ASSERT_OK_AND_ASSIGN(GuestRoot root, GuestRoot::Open(dir.path()));
  Outcome outcome;
  const StableName none = [](const std::string&) { return std::nullopt; };
  for (int time = 0; time < 2; ++time) {
    ASSERT_OK(ConvertPinnedDevices(root, none, &outcome));
    EXPECT_FALSE(root.Exists("etc/lvm/devices/system.devices"));
    EXPECT_TRUE(root.Exists("etc/lvm/devices/system.devices.pre-migration"));
    ASSERT_THAT(PinnedFilesForInitramfs(root), SizeIs(1));
    EXPECT_THAT(PinnedFilesForInitramfs(root)[0].second, HasSubstr("use_devicesfile = 0"));
  }
  EXPECT_THAT(root.changes(), SizeIs(2)) << "the second time nothing is left to change";
}

TEST(RootChoice, TheDefaultEntryOfTheBootLoader) {
  const std::string menu =
      "set default=\"0\"\nif [ x ]; then\n  set default=\"${next_entry}\"\nfi\n"
      "menuentry 'One' --id one {\n\tlinux /vmlinuz root=UUID=1 ro\n}\n"
      "submenu 'More' {\n\tmenuentry 'Old' {\n\t\tlinux /old root=UUID=2\n\t}\n}\n"
      "menuentry \"Other\" $menuentry_id_option 'other' {\n  linux /vmlinuz root=/dev/sdb1\n}\n";
  EXPECT_EQ(DefaultRoot(menu, ""), "UUID=1");
  const auto with = [&](const std::string& value) {
    return "set default=\"" + value + "\"" + menu.substr(menu.find('\n'));
  };
  EXPECT_EQ(DefaultRoot(with("2"), ""), "/dev/sdb1");
  EXPECT_EQ(DefaultRoot(with("1>0"), ""), "UUID=2");
  EXPECT_EQ(DefaultRoot(with("${saved_entry}"), "# GRUB\nsaved_entry=other\n###"), "/dev/sdb1");
  EXPECT_EQ(DefaultRoot(with("nothing"), ""), "UUID=1");
  EXPECT_EQ(DefaultRoot("", ""), "");

  EXPECT_EQ(EntryRoot("title x\noptions root=UUID=9 ro\n", ""), "UUID=9");
  EXPECT_EQ(EntryRoot("options $kernelopts\n", "saved_entry=e\nkernelopts=ro root=UUID=8\n"),
            "UUID=8");
  EXPECT_EQ(SavedEntry("# x\nsaved_entry=e\n"), "e");

  const std::vector<Candidate> candidates = {{.name = "a"}, {.name = "b", .boots = true}};
  EXPECT_EQ(ChooseRoot(candidates, {}).index, 1u);
  EXPECT_EQ(ChooseRoot(candidates, {0}).index, 0u);
  EXPECT_EQ(ChooseRoot({{.name = "a"}}, {7}).index, 0u);
}

TEST(Tools, AreEndedAndBounded) {
  EXPECT_THAT(RunTool({"sleep", "60"}, {.patience = absl::Milliseconds(200)}).status(),
              StatusIs(absl::StatusCode::kDeadlineExceeded, "sleep"));
  EXPECT_THAT(RunTool({"yes"}, {.patience = absl::Seconds(20), .capture = true}).status(),
              StatusIs(absl::StatusCode::kResourceExhausted, "yes"));
  ASSERT_OK_AND_ASSIGN(const ToolResult echo,
                       RunTool({"cat"}, {.input = "a secret", .capture = true}));
  EXPECT_EQ(echo.output, "a secret");
  ASSERT_OK_AND_ASSIGN(const int code, RunTool({"sh", "-c", "exit 3"}));
  EXPECT_EQ(code, 3);
}

TEST(Tools, GetOurEnvironmentAndMayLeaveSomethingBehind) {
  const TempDir dir;
  const std::string late = dir / "late";
  setenv("GODWIT_TOOLS_TEST", late.c_str(), 1);
  ASSERT_OK_AND_ASSIGN(
      const int code,
      RunTool({"sh", "-c", "(sleep 0.3; echo done >\"$GODWIT_TOOLS_TEST\") & exit 0"}));
  unsetenv("GODWIT_TOOLS_TEST");
  EXPECT_EQ(code, 0);
  for (int i = 0; i < 500 && !ReadFile(late).ok(); ++i) absl::SleepFor(absl::Milliseconds(20));
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(late));
  EXPECT_EQ(text, "done\n") << "it was killed with its parent";
}

TEST(DiskKeys, OnlyTheOwnersAndOnlyKeys) {
  const TempDir dir;
  const std::string id = "6d696e69-0000-4000-8000-000000000001";
  ASSERT_OK(WriteFileAtomically(dir / (id + ".key"), "one", 0600));
  ASSERT_OK(WriteFileAtomically(dir / "default.key", "two", 0600));
  ASSERT_OK(WriteFileAtomically(dir / "other.key", "three", 0600));
  CpioWriter job;
  ASSERT_OK(conversion::AddDiskKeys(dir.path(), &job));
  const std::string archive = job.Finish();
  EXPECT_THAT(archive, HasSubstr("keys/" + id + ".key"));
  EXPECT_THAT(archive, HasSubstr("keys/default.key"));
  EXPECT_THAT(archive, HasSubstr("00008180")) << "a file with mode 0600";
  EXPECT_THAT(archive, Not(HasSubstr("three")));
  ASSERT_EQ(chmod((dir / "default.key").c_str(), 0640), 0);
  CpioWriter refused;
  EXPECT_THAT(conversion::AddDiskKeys(dir.path(), &refused),
              StatusIs(absl::StatusCode::kFailedPrecondition, "default.key"));
  EXPECT_THAT(conversion::AddDiskKeys(dir / "none", &refused),
              StatusIs(absl::StatusCode::kNotFound, "none"));
}

}  // namespace
}  // namespace godwit::convert

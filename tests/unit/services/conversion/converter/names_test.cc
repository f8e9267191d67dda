#include "services/conversion/converter/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/conversion/converter/guest_mounts.h"

namespace godwit::convert {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Volume Partition(int disk, int number, const std::string& type, const std::string& uuid) {
  Volume volume{.source_device = PartitionName(disk == 0 ? "/dev/sda" : "/dev/sdb", number),
                .type = type,
                .uuid = uuid};
  volume.disk = disk;
  volume.partition = number;
  return volume;
}

// A disk with an ESP, a root and swap, one with an LVM volume on it.
std::vector<Volume> Server() {
  std::vector<Volume> volumes = {Partition(0, 1, "vfat", "AB12-34CD"),
                                 Partition(0, 2, "ext4", "u-root"), Partition(0, 3, "swap", ""),
                                 Partition(1, 1, "lvm", "pv"), Partition(1, 2, "xfs", "u-data")};
  volumes[1].label = "my root";
  volumes[2].part_uuid = "p-swap";
  volumes[4].part_label = "data";
  Volume logical{.source_device = "/dev/mapper/vg0-srv", .type = "ext4", .uuid = "u-srv"};
  logical.kind = "lvm";
  logical.source_names = {"/dev/vg0/srv", "/dev/disk/by-id/dm-name-vg0-srv"};
  volumes.push_back(logical);
  return volumes;
}

TEST(Names, KernelNamesBecomeIdsAndNamesOfTheContentStay) {
  const std::vector<Volume> volumes = Server();
  const Names names(volumes, /*complete=*/true);
  EXPECT_EQ(names.Stable("/dev/sda2"), "UUID=u-root");
  EXPECT_EQ(names.Stable("/dev/sda3"), "PARTUUID=p-swap") << "swap without a UUID";
  for (const char* name :
       {"UUID=u-root", "UUID=\"u-root\"", "LABEL=my root", "PARTUUID=p-swap", "PARTLABEL=data",
        "/dev/disk/by-uuid/ab12-34cd", "/dev/disk/by-label/my\\x20root",
        "/dev/disk/by-partlabel/data", "/dev/mapper/vg0-srv", "/dev/vg0/srv"}) {
    EXPECT_EQ(names.Stable(name), name);
  }
  EXPECT_EQ(names.Stable("/dev/disk/by-id/dm-name-vg0-srv"), "UUID=u-srv");
}

TEST(Names, WhatIsNowhereIsSaidUnlessSomethingStayedClosed) {
  const std::vector<Volume> volumes = Server();
  for (const char* name : {"UUID=other", "LABEL=", "/dev/mapper/vg1-x", "/dev/vg1/x"}) {
    EXPECT_EQ(Names(volumes, true).Stable(name), std::nullopt) << name;
    EXPECT_EQ(Names(volumes, false).Stable(name), name);
  }
  for (const char* name : {"/dev/sdc1", "/dev/disk/by-path/pci-0-part9", "tmpfs", ""})
    EXPECT_EQ(Names(volumes, false).Stable(name), std::nullopt) << name;
}

TEST(Names, NamesOfHardwareMeanTheOnlyVolumeThatTheyCan) {
  const std::vector<Volume> volumes = Server();
  Names names(volumes, true);
  const std::string disk = "/dev/disk/by-path/pci-0000:00:1f.2-ata-1";
  EXPECT_EQ(names.Stable(disk + "-part3"), "PARTUUID=p-swap") << "no other disk has a third one";
  EXPECT_EQ(names.Stable(disk + "-part2"), std::nullopt) << "two disks have a second one";
  // The same disk's name is used for something that only one of them has.
  names.Use({disk + "-part2", "ext4"});
  EXPECT_EQ(names.Stable(disk + "-part2"), "UUID=u-root");
  names.Use({"/dev/disk/by-id/scsi-1-part2", "auto"});
  EXPECT_EQ(names.Stable("/dev/disk/by-id/scsi-1-part2"), std::nullopt);
  names.Use({"/dev/disk/by-id/scsi-1-part1", "vfat"});
  EXPECT_EQ(names.Stable("/dev/disk/by-id/scsi-1-part2"), "UUID=u-root");
}

TEST(Names, CopiesOfAVolumeAreToldApart) {
  std::vector<Volume> volumes = {Partition(0, 1, "ext4", "same"), Partition(1, 1, "ext4", "same")};
  EXPECT_THAT(Names(volumes, true).Ambiguous(), SizeIs(1));
  volumes[0].part_uuid = "p-0";
  volumes[1].part_uuid = "p-1";
  EXPECT_EQ(Names(volumes, true).Stable("/dev/sda1"), "PARTUUID=p-0");
  volumes[1].member = true;  // of the same file system
  EXPECT_EQ(Names(volumes, true).Stable("/dev/sda1"), "UUID=same");
  EXPECT_THAT(Names(volumes, true).Ambiguous(), IsEmpty());
}

TEST(GuestMounts, TablesNameArraysAndEncryptedVolumes) {
  std::vector<Volume> volumes = {Partition(0, 1, "luks", "l-1")};
  Volume inside{.source_device = "/dev/mapper/luks-l-1", .type = "ext4", .uuid = "u"};
  inside.kind = "luks";
  inside.lies_on = {"/dev/sda1"};
  Volume array{.source_device = "/dev/md127", .type = "ext4", .uuid = "m"};
  array.kind = "md";
  array.source_names = {"/dev/disk/by-id/md-uuid-a:b:c:d"};
  volumes.push_back(inside);
  volumes.push_back(array);
  Names names(volumes, true);
  LearnNames({}, ParseCrypttab("# x\nsecret /dev/sda1 none luks\n"),
             "HOMEHOST x\nARRAY /dev/md/root metadata=1.2 UUID=A:b:c:d\n", &volumes, &names);
  EXPECT_EQ(names.Stable("/dev/mapper/secret"), "/dev/mapper/secret");
  EXPECT_EQ(names.Stable("/dev/md/root"), "/dev/md/root");
  EXPECT_EQ(names.Stable("/dev/md127"), "UUID=m");
}

TEST(GuestMounts, OuterOnesFirstAndOnlyWhatAConversionNeeds) {
  std::vector<Volume> volumes = Server();
  volumes[0].part_type = "ef";
  const std::vector<FstabEntry> fstab = ParseFstab(
      "UUID=AB12-34CD /boot/efi vfat umask=0077 0 1\n/dev/sda2 / ext4 defaults 0 1\n"
      "/dev/sdb2 /boot/ xfs defaults 0 2\n/dev/vg0/srv /srv ext4 subvol=x 0 2\n"
      "/dev/sda2 /../usr ext4 defaults 0 0\n");
  const Names names(volumes, true);
  std::vector<std::string> points;
  for (const GuestMount& mount : PlanMounts(fstab, names, "/boot/efi", &volumes))
    points.push_back(mount.mount_point);
  EXPECT_THAT(points, ElementsAre("/boot", "/boot/efi"));
  EXPECT_EQ(volumes[5].mount_point, "/srv");
  EXPECT_EQ(volumes[4].mount_point, "/boot");

  std::vector<Volume> other = Server();
  other[0].part_type = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
  EXPECT_THAT(PlanMounts({}, Names(other, true), "/efi", &other), SizeIs(1))
      << "an ESP by its type";
  other[0].mount_point = "";
  EXPECT_THAT(PlanMounts({}, Names(other, true), "", &other), IsEmpty());
}

}  // namespace
}  // namespace godwit::convert

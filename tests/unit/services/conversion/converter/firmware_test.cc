// Boot modes without a machine: tables as they lie on disks, plans, and GRUB's sectors.
#include "services/conversion/converter/firmware.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/base/internal/endian.h"
#include "services/conversion/converter/bios_boot.h"
#include "services/conversion/converter/partition_table.h"
#include "tests/support/status_matchers.h"

namespace godwit::convert {
namespace {

namespace endian = absl::little_endian;
using ::godwit::testing::StatusIs;
using ::testing::HasSubstr;

std::string Mbr(std::uint8_t type, std::uint32_t start, std::uint32_t sectors) {
  std::string head(65536, '\0');
  head[0] = '\xeb';
  head[446 + 4] = static_cast<char>(type);
  endian::Store32(head.data() + 446 + 8, start);
  endian::Store32(head.data() + 446 + 12, sectors);
  head[510] = '\x55';
  head[511] = '\xaa';
  return head;
}

std::string Gpt(std::uint64_t first, std::uint32_t count, std::uint32_t size) {
  std::string head = Mbr(0xee, 1, 0xffffffff);
  head.replace(512, 8, "EFI PART");
  endian::Store64(head.data() + 512 + 72, first);
  endian::Store32(head.data() + 512 + 80, count);
  endian::Store32(head.data() + 512 + 84, size);
  return head;
}

void Entry(std::string* head, int index, const char* type, std::uint64_t start,
           std::uint64_t last) {
  const std::size_t at = 1024 + static_cast<std::size_t>(index) * 128;
  head->replace(at, 16, type, 16);
  endian::Store64(head->data() + at + 32, start);
  endian::Store64(head->data() + at + 40, last);
}

constexpr char kEsp[] = "\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b";

TEST(PartitionTable, Mbr) {
  const PartitionTable table = ParsePartitionTable(Mbr(0x83, 2048, 10000), 20000);
  EXPECT_EQ(table.kind, PartitionTable::Kind::kMbr);
  EXPECT_TRUE(table.has_boot_code);
  EXPECT_TRUE(table.has_free_entry);
  EXPECT_EQ(table.first_start, 2048u);
  EXPECT_EQ(table.used_end, 12048u);
  EXPECT_EQ(PlaceBehind(table, 4096), 12288u);
  EXPECT_EQ(PlaceBehind(table, 131072), 0u) << "it must grow";
  const PartitionTable grown =
      ParsePartitionTable(Mbr(0x83, 2048, 10000), BytesNeeded(table, 131072) / kSectorBytes);
  EXPECT_EQ(PlaceBehind(grown, 131072), 12288u);
  EXPECT_TRUE(ParsePartitionTable(Mbr(0xef, 2048, 10000), 20000).partitions[0].is_esp);
}

TEST(PartitionTable, Gpt) {
  std::string head = Gpt(2, 128, 128);
  Entry(&head, 0, kEsp, 2048, 4095);
  Entry(&head, 3, "Hah!IdontNeedEFI", 4096, 6143);
  const PartitionTable table = ParsePartitionTable(head, 100000);
  ASSERT_EQ(table.partitions.size(), 2u);
  EXPECT_TRUE(table.partitions[0].is_esp);
  EXPECT_EQ(table.partitions[1].number, 4);
  EXPECT_TRUE(table.partitions[1].is_bios_boot);
  EXPECT_EQ(table.partitions[1].sectors, 2048u);
  EXPECT_EQ(table.usable_end, 100000u - 33u);
}

TEST(PartitionTable, APlaceForGrubOfABiosOnAGpt) {
  const auto place = [](std::uint64_t usable, std::uint64_t start, std::uint64_t last,
                        std::uint64_t sectors) {
    std::string head = Gpt(2, 128, 128);
    endian::Store64(head.data() + 512 + 40, usable);
    Entry(&head, 0, kEsp, start, last);
    const Place found = PlaceBiosBoot(ParsePartitionTable(head, sectors), 1000);
    return std::pair(found.start, found.sectors);
  };
  using Found = std::pair<std::uint64_t, std::uint64_t>;
  EXPECT_EQ(place(34, 2048, 9999, 100000), Found(34, 2014)) << "as installers place it";
  EXPECT_EQ(place(34, 50000, 59999, 100000), Found(34, 2048));
  EXPECT_EQ(place(2048, 2048, 9999, 100000), Found(10240, 2048)) << "behind all others";
  EXPECT_EQ(place(34, 1000, 9999, 100000), Found(10240, 2048)) << "too little before the first";
  EXPECT_EQ(place(2048, 2048, 9999, 12000), Found(0, 0)) << "the disk must grow";
  EXPECT_EQ(place(0, 2048, 9999, 100000), Found(34, 2014)) << "never over the table";
  EXPECT_EQ(place(~0ull, 2048, 9999, 100000), Found(10240, 2048));
}

TEST(PartitionTable, LiesAreBounded) {
  // Entries far away, without end, or of no size; partitions behind the disk's end.
  for (const std::string& head :
       {Gpt(~0ull, 128, 128), Gpt(2, ~0u, 128), Gpt(2, 128, 0), Gpt(2, 128, ~0u),
        Gpt(127, ~0u, 4096), Mbr(0x83, ~0u, ~0u), Mbr(0x05, 1, ~0u)}) {
    const PartitionTable table = ParsePartitionTable(head, 20000);
    for (const Partition& partition : table.partitions)
      EXPECT_LE(partition.start + partition.sectors, 20000u);
  }
  std::string overlap = Gpt(2, 128, 128);
  Entry(&overlap, 0, kEsp, 4096, 2048);
  Entry(&overlap, 1, kEsp, ~0ull - 1, ~0ull);
  EXPECT_TRUE(ParsePartitionTable(overlap, 20000).partitions.empty());
  EXPECT_EQ(ParsePartitionTable("", 20000).kind, PartitionTable::Kind::kNone);
  EXPECT_EQ(ParsePartitionTable(std::string(65536, '\xff'), 20000).kind,
            PartitionTable::Kind::kNone);
  EXPECT_EQ(PlaceBehind(ParsePartitionTable(Mbr(0x83, 2048, 10000), 0), 1), 0u);
}

TEST(BiosBoot, TheDiskKeepsItsSignatureAndPartitions) {
  const std::string present = Mbr(0x83, 2048, 10000).substr(0, 512);
  std::string with_signature = present;
  with_signature.replace(0x1b8, 4, "SIGN");
  std::string boot(512, 'b');
  boot.replace(510, 2, "\x55\xaa");
  const std::string core(1300, 'c');
  ASSERT_OK_AND_ASSIGN(const BiosBoot made, MakeBiosBoot(with_signature, boot, core, 34, 2000));
  EXPECT_EQ(made.boot_sector.substr(0x1b8), with_signature.substr(0x1b8));
  EXPECT_EQ(endian::Load64(made.boot_sector.data() + 0x5c), 34u);
  EXPECT_EQ(made.core.size(), 3 * 512u);
  EXPECT_EQ(endian::Load64(made.core.data() + 500), 35u);
  EXPECT_EQ(endian::Load16(made.core.data() + 508), 2u);
  EXPECT_EQ(endian::Load16(made.core.data() + 510), 0x820u);
  EXPECT_THAT(MakeBiosBoot(present, boot, core, 1, 2).status(),
              StatusIs(absl::StatusCode::kResourceExhausted, "needs 3 sectors, there are 2"));
  EXPECT_FALSE(MakeBiosBoot(present, core, boot, 1, 2000).ok());
}

TEST(PlanFirmware, WhatIsAskedForAndWhatIsThere) {
  const FirmwareFacts bios{.boots_bios = true, .can_get_bios = true, .can_get_esp = true};
  const FirmwareFacts uefi{.has_esp = true, .boots_uefi = true, .bios_remedy = "add one"};
  const FirmwareFacts both{.boots_bios = true, .boots_uefi = true, .has_fallback = true};
  const std::vector<std::string> any = {"bios", "uefi"}, only_uefi = {"uefi"};
  const auto plan = [](const FirmwareFacts& facts, const char* wanted,
                       const std::vector<std::string>& offered) {
    const auto made = PlanFirmware(facts, wanted, offered);
    return made.ok() ? std::pair(made->firmware, made->step)
                     : std::pair(std::string(made.status().message()), FirmwareStep::kNone);
  };
  using Answer = std::pair<std::string, FirmwareStep>;
  EXPECT_EQ(plan(bios, "", any), Answer("bios", FirmwareStep::kNone));
  EXPECT_EQ(plan(bios, "uefi", any), Answer("uefi", FirmwareStep::kMakeEsp));
  EXPECT_EQ(plan(bios, "", only_uefi), Answer("uefi", FirmwareStep::kMakeEsp));
  EXPECT_EQ(plan(uefi, "", any), Answer("uefi", FirmwareStep::kCopyFallback));
  EXPECT_EQ(plan(both, "", {"uefi", "bios"}), Answer("uefi", FirmwareStep::kNone));
  EXPECT_EQ(plan(FirmwareFacts{}, "", any), Answer("bios", FirmwareStep::kNone));
  EXPECT_THAT(plan(uefi, "bios", any).first, HasSubstr("add one"));
  EXPECT_THAT(plan(bios, "bios", only_uefi).first, HasSubstr("has only uefi"));
  EXPECT_EQ(SourceBootMode(both), "BIOS and UEFI");
}

}  // namespace
}  // namespace godwit::convert

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_join.h"
#include "services/jobs/targets/qemu/command.h"
#include "tests/support/status_matchers.h"

namespace godwit::jobs {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

MachineState Machine() {
  MachineState state{.accelerator = "tcg"};
  state.spec = {.machine_id = "i-0123456789abcdef0",
                .cpu_count = 2,
                .memory_bytes = 512ll << 20,
                .disks = {{.path = "/clones/a.qcow2"}, {.path = "/clones/b.qcow2"}},
                .nics = {{.mac_address = "52:54:00:00:00:01"}},
                .port_forwards = {{.guest_port = 22}, {.guest_port = 80, .host_port = 8080}}};
  return state;
}

std::string After(const std::vector<std::string>& command, const std::string& option) {
  const auto found = std::find(command.begin(), command.end(), option);
  return found == command.end() || found + 1 == command.end() ? "" : *(found + 1);
}

TEST(QemuCommand, DescribesTheMachine) {
  const auto command = QemuCommand(Machine(), "/code.fd");
  EXPECT_EQ(command[0], "qemu-system-x86_64");
  EXPECT_EQ(After(command, "-smp"), "2");
  EXPECT_EQ(After(command, "-m"), "512M");
  EXPECT_THAT(After(command, "-accel"), HasSubstr("tcg"));
  EXPECT_THAT(command, Contains(GuestArgument("i-0123456789abcdef0")));
  EXPECT_THAT(command, Contains("virtio-blk-pci,drive=disk0,id=dev0,bootindex=1"));
  EXPECT_THAT(command, Contains("virtio-blk-pci,drive=disk1,id=dev1,bootindex=2"));
  EXPECT_THAT(After(command, "-netdev"), HasSubstr("restrict=on")) << "isolated by default";
  EXPECT_THAT(After(command, "-netdev"), HasSubstr("hostfwd=tcp:127.0.0.1:0-:22"));
  EXPECT_THAT(After(command, "-netdev"), HasSubstr("hostfwd=tcp:127.0.0.1:8080-:80"));
  EXPECT_THAT(After(command, "-sandbox"), HasSubstr("on"));
  EXPECT_THAT(absl::StrJoin(command, " "), Not(HasSubstr("/clones/")))
      << "machines write to disks of their own";
}

TEST(QemuCommand, KeepsPortsThatWereChosenBefore) {
  MachineState state = Machine();
  state.endpoints = {{22, "127.0.0.1:40123"}, {80, "127.0.0.1:8080"}};
  EXPECT_THAT(After(QemuCommand(state, ""), "-netdev"),
              HasSubstr("hostfwd=tcp:127.0.0.1:40123-:22"));
}

TEST(QemuCommand, FollowsBusFirmwareAndAccelerator) {
  MachineState state = Machine();
  state.accelerator = "kvm";
  state.spec.firmware = "uefi";
  state.spec.disk_bus = "nvme";
  state.spec.network = Network::kUser;
  const auto command = QemuCommand(state, "/code.fd");
  EXPECT_EQ(After(command, "-accel"), "kvm");
  EXPECT_EQ(After(command, "-cpu"), "host");
  EXPECT_THAT(command, Contains("if=pflash,unit=0,format=raw,readonly=on,file=/code.fd"));
  EXPECT_THAT(command, Contains("nvme,drive=disk0,serial=vol0,id=dev0,bootindex=1"));
  EXPECT_THAT(After(command, "-netdev"), Not(HasSubstr("restrict")));
  state.spec.disk_bus = "virtio-scsi";
  EXPECT_THAT(QemuCommand(state, ""),
              Contains("scsi-hd,bus=scsi0.0,drive=disk1,id=dev1,bootindex=2"));
}

TEST(CheckSpec, NamesTheFieldThatIsWrong) {
  EXPECT_OK(CheckSpec(Machine().spec));
  const auto refused = [](auto&& change, const char* field) {
    MachineSpec spec = Machine().spec;
    change(spec);
    EXPECT_THAT(CheckSpec(spec), StatusIs(absl::StatusCode::kInvalidArgument, field));
  };
  refused([](auto& spec) { spec.machine_id = "i-../../etc"; }, "machine_id");
  refused([](auto& spec) { spec.cpu_count = 0; }, "cpu_count");
  refused([](auto& spec) { spec.memory_bytes = 1; }, "memory_bytes");
  refused([](auto& spec) { spec.firmware = "coreboot"; }, "firmware");
  refused([](auto& spec) { spec.disk_bus = "floppy"; }, "disk_bus");
  refused([](auto& spec) { spec.disks.clear(); }, "disks");
  refused([](auto& spec) { spec.disks[0].path = "relative"; }, "disks.path");
  refused([](auto& spec) { spec.nics[0].mac_address = "52:54:00:00:00:01,x=y"; }, "nics.mac");
  refused([](auto& spec) { spec.nics[0].model = "virtio,romfile=/x"; }, "nics.model");
  refused([](auto& spec) { spec.port_forwards[0].guest_port = 0; }, "port_forwards");
  refused([](auto& spec) { spec.port_forwards[0].host_address = "0,x"; }, "host_address");
  refused([](auto& spec) { spec.port_forwards[0].guest_port = 80; }, "guest_port");
  refused([](auto& spec) { spec.nics.clear(); }, "port_forwards");
}

TEST(ParseForwards, ReadsTheMonitorsTable) {
  const std::map<int, std::string> forwards = ParseForwards(
      "Hub -1 (net0):\r\n"
      "  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n"
      "  TCP[ESTABLISHED]   20       127.0.0.1  40123       10.0.2.15    22     0     0\r\n"
      "  TCP[HOST_FORWARD]  12       127.0.0.1  40123       10.0.2.15    22     0     0\r\n"
      "  UDP[HOST_FORWARD]  13       127.0.0.1  53          10.0.2.15    53     0     0\r\n");
  EXPECT_THAT(forwards, ElementsAre(Pair(22, "127.0.0.1:40123")));
  EXPECT_THAT(ParseForwards("TCP[HOST_FORWARD] 1 a b c d"), ElementsAre());
}

TEST(ShowsConnection, WaitsForTheGuest) {
  const std::string head =
      "Hub -1 (net0):\r\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ "
      "SendQ\r\n  TCP[HOST_FORWARD]  13       127.0.0.1  4022       10.0.2.15    22     0     "
      "0\r\n";
  EXPECT_FALSE(ShowsConnection(
      head + "  TCP[SYN_SENT]      14       127.0.0.1  4022       10.0.2.15    22     0     0\r\n",
      22));
  EXPECT_TRUE(ShowsConnection(
      head + "  TCP[SYN_SENT]      14       127.0.0.1  4022       10.0.2.15    22     0     0\r\n" +
          "  TCP[ESTABLISHED]   15       127.0.0.1  4022       10.0.2.15    22     0     0\r\n",
      22));
  EXPECT_TRUE(ShowsConnection(head, 22)) << "it came and went";
}

}  // namespace
}  // namespace godwit::jobs

// The XML of libvirt domains, held against its golden text and against libvirt's own schema.
#include "services/jobs/targets/libvirt/domain_xml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "services/common/base/file.h"
#include "services/jobs/domain/derived.h"
#include "services/jobs/targets/qemu/process.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::jobs {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;

MachineSpec Spec() {
  return {.machine_id = "i-0123456789abcdef0",
          .epoch = 7,
          .name = "web <1>",
          .cpu_count = 2,
          .memory_bytes = 1ll << 30,
          .disks = {{.path = "/clone/a.qcow2"}, {.path = "/clone/b.qcow2"}},
          .nics = {{.mac_address = "52:54:00:00:00:01"}},
          .port_forwards = {{.guest_port = 22}},
          .throw_away = true,
          .description = "kept by ops & co",
          .tags = {{"team", "\"a\"<b>"}}};
}
const DomainHost kHost{.type = "qemu", .uefi_code = "/fw/code.fd", .uefi_variables = "/fw/vars.fd"};
const DomainFiles kFiles{.disks = {"/m/disk0.qcow2", "/m/disk1.qcow2"},
                         .console_log = "/m/console.log",
                         .firmware_log = "/m/firmware.log"};

void ExpectValid(const std::string& xml) {
  const ::godwit::testing::TempDir dir;
  ASSERT_OK(WriteFileAtomically(dir / "domain.xml", xml));
  ASSERT_OK_AND_ASSIGN(
      const CommandResult ran,
      RunCommand({"virt-xml-validate", dir / "domain.xml", "domain"}, absl::Seconds(30)));
  EXPECT_EQ(ran.exit_code, 0) << ran.output << xml;
}

TEST(DomainXml, IsTheGoldenText) {
  const std::string xml = DomainXml(Spec(), kHost, kFiles, {{22, "127.0.0.1:4022"}});
  EXPECT_EQ(xml.substr(0, xml.find(" <memory")),
            R"(<domain type="qemu" xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">
 <name>i-0123456789abcdef0</name>
 <uuid>)" + DerivedUuid("libvirt/i-0123456789abcdef0") +
                R"(</uuid>
 <title>web &lt;1&gt;</title>
 <description>kept by ops &amp; co</description>
 <metadata>
  <godwit:machine xmlns:godwit="urn:godwit:machine:1" id="i-0123456789abcdef0" epoch="7">
   <godwit:tag key="team" value="&quot;a&quot;&lt;b&gt;"/>
  </godwit:machine>
 </metadata>
)");
  EXPECT_THAT(xml, HasSubstr(R"(<target dev="vdb" bus="virtio"/>)"));
  EXPECT_THAT(xml, HasSubstr("user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:4022-:22"));
  EXPECT_THAT(xml, HasSubstr(R"(cache="unsafe")"));
  ExpectValid(xml);
}

TEST(DomainXml, EveryKindFitsTheSchema) {
  for (const char* bus : {"virtio", "virtio-scsi", "ahci", "pvscsi"}) {
    for (const char* firmware : {"bios", "uefi"}) {
      MachineSpec spec = Spec();
      spec.disk_bus = bus;
      spec.firmware = firmware;
      ExpectValid(DomainXml(spec, kHost, kFiles, {}));
    }
  }
}

TEST(DomainXml, NetworksOfTheHostAreInterfaces) {
  DomainHost host = kHost;
  host.isolated_network = "quarantine";
  std::string xml = DomainXml(Spec(), host, kFiles, {});
  EXPECT_THAT(xml, HasSubstr(R"(<source network="quarantine"/>)"));
  EXPECT_THAT(xml, Not(HasSubstr("qemu:commandline")));
  ExpectValid(xml);
  MachineSpec spec = Spec();
  spec.network = Network::kBridge;
  spec.nics[0].bridge = "br0";
  xml = DomainXml(spec, host, kFiles, {});
  EXPECT_THAT(xml, HasSubstr(R"(<source bridge="br0"/>)"));
  ExpectValid(xml);
  spec.nics[0].bridge = "";
  EXPECT_THAT(CheckDomain(spec, host), StatusIs(absl::StatusCode::kInvalidArgument, "bridge"));
}

TEST(DomainXml, HostileNamesStayText) {
  MachineSpec spec = Spec();
  spec.name = "x</title><devices>\x01\xff\n";
  spec.tags = {{"]]>", "<!--"}};
  const std::string xml = DomainXml(spec, kHost, kFiles, {});
  EXPECT_THAT(xml, HasSubstr("<title>x&lt;/title&gt;&lt;devices&gt;?? </title>"));
  ExpectValid(xml);
}

TEST(DomainXml, SaysWhatLibvirtHasNot) {
  MachineSpec spec = Spec();
  spec.disk_bus = "nvme";
  EXPECT_THAT(CheckDomain(spec, kHost), StatusIs(absl::StatusCode::kFailedPrecondition, "NVMe"));
  spec = Spec();
  spec.firmware = "uefi";
  EXPECT_THAT(CheckDomain(spec, {.type = "qemu"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "firmware"));
}

TEST(DomainXml, TheEpochComesBack) {
  EXPECT_EQ(*EpochOf(MetadataXml(Spec())), 7);
  EXPECT_THAT(EpochOf("<a epoch='x'/>"), StatusIs(absl::StatusCode::kInternal, "metadata"));
  EXPECT_THAT(EpochOf("no xml"), StatusIs(absl::StatusCode::kInternal, "metadata"));
  EXPECT_THAT(EpochOf(R"(<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a epoch="&e;"/>)"),
              StatusIs(absl::StatusCode::kInternal, "metadata"));
}

}  // namespace
}  // namespace godwit::jobs

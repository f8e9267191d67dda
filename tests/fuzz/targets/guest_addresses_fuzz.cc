// Network configuration of a guest: an address is set once, and what is set a second time changes
// nothing.
//   1 byte    which kind, and whether the address is static
//   the rest  the text
#include "services/common/base/check.h"
#include "services/conversion/converter/address_text.h"
#include "tests/fuzz/targets/input.h"

namespace {

using namespace godwit::convert;

std::string Routes(const std::string& text, const Nic& nic) {
  return EditSuseRoutes(text, nic, !nic.gateway.empty());
}

constexpr std::string (*kEdits[])(const std::string&, const Nic&) = {
    EditRedHatIfcfg, EditSuseIfcfg, Routes, EditKeyfile, EditNetworkd, EditInterfaces, EditNetplan};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  godwit::fuzz::Input input(data, size);
  const auto which = input.Take<std::uint8_t>();
  const std::string text(input.rest().begin(), input.rest().end());
  Nic nic{.mac_address = "52:54:00:10:20:30", .source_name = "eth0"};
  if ((which & 0x80) != 0) {
    nic.static_address = "192.168.7.9/26";
    nic.gateway = "192.168.7.1";
  } else {
    nic.reset_to_dhcp = true;
  }
  const auto edit = kEdits[which % std::size(kEdits)];
  const std::string edited = edit(text, nic);
  GODWIT_CHECK(edited.size() <= 2 * text.size() + 4096);
  if (edit != EditNetplan) GODWIT_CHECK(edit(edited, nic) == edited);
  IsIfcfgOf("ifcfg-x", text, nic);
  IsKeyfileOf(text, nic);
  IsNetworkdOf(text, nic);
  HasInterface(text, nic);
  GODWIT_CHECK(DropRedHatGateway(text).size() <= text.size());
  nic.static_address = text;
  if (CheckAddresses(nic).ok()) GODWIT_CHECK(text.size() <= 18);
  return 0;
}

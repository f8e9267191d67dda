// Menus of boot loaders, consoles, services and initramfs images of a guest.
//   1 byte    which parser
//   the rest  the text
#include <algorithm>

#include "services/common/base/check.h"
#include "services/conversion/converter/boot_menu.h"
#include "services/conversion/converter/editors.h"
#include "services/conversion/converter/guest_services.h"
#include "services/conversion/converter/guest_tools.h"
#include "services/conversion/converter/initramfs.h"
#include "services/conversion/converter/initramfs_config.h"
#include "services/conversion/converter/initramfs_format.h"
#include "services/conversion/converter/network.h"
#include "services/conversion/converter/serial_console.h"
#include "tests/fuzz/targets/input.h"

namespace {

using namespace godwit::convert;

std::ptrdiff_t Lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

void Menu(BootSyntax syntax, const std::string& text) {
  const BootMenu menu = ParseBootMenu(syntax, text);
  GODWIT_CHECK(menu.entries.size() <= 256);
  const auto chosen = menu.Default();
  GODWIT_CHECK(!chosen || *chosen < menu.entries.size());
  const std::string edited = SetBootDefault(syntax, text, "0");
  GODWIT_CHECK(Lines(edited) <= Lines(text) + 1);
  GODWIT_CHECK(SetBootDefault(syntax, edited, "0") == edited);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  godwit::fuzz::Input input(data, size);
  const int which = input.Take<std::uint8_t>() % 9;
  const std::string text(input.rest().begin(), input.rest().end());
  switch (which) {
    case 0:
      for (const BootSyntax syntax :
           {BootSyntax::kGrub2, BootSyntax::kGrubLegacy, BootSyntax::kExtlinux})
        Menu(syntax, text);
      break;
    case 1: {
      const std::string edited = SetGrubVariable(text, "saved_entry", "x");
      GODWIT_CHECK(edited == text ||
                   (edited.size() == 1024 && GrubVariable(edited, "saved_entry") == "x"));
      break;
    }
    case 2: {
      const std::string edited = AddSerialGetty(text, "/sbin/getty -L ttyS0 115200", false);
      GODWIT_CHECK(Lines(edited) <= Lines(text) + 2);
      GODWIT_CHECK(AddSerialGetty(edited, "/sbin/getty -L ttyS0 115200", false) == edited);
      const std::string secure = AddSecureTerminal(text);
      GODWIT_CHECK(AddSecureTerminal(secure) == secure);
      break;
    }
    case 3: {
      const std::string edited = DisableUpstartJob(text);
      GODWIT_CHECK(Lines(edited) == Lines(text) && DisableUpstartJob(edited) == edited);
      break;
    }
    case 4: {
      const std::vector<std::string> modules = {"virtio_blk", "nvme"};
      const std::string edited = AllowModules(text, modules);
      GODWIT_CHECK(AllowModules(edited, modules) == edited);
      GODWIT_CHECK(edited == text || WasAllowed(edited));
      AddMkinitcpioModules(text, modules);
      AddMkinitfsFeatures(text, modules);
      AddInitrdModules(text, modules);
      break;
    }
    case 5: {
      const auto image = AppendArchive(text, std::string(600, 'x'));
      if (image.ok()) GODWIT_CHECK(image->compare(0, text.size(), text) == 0);
      GODWIT_CHECK(FormatOf(Lz4Frame(text)) == InitramfsFormat::kLz4);
      break;
    }
    case 6: {
      const std::string edited = AddPin(text, "52:54:00:10:20:30", "eth0");
      GODWIT_CHECK(AddPin(edited, "52:54:00:10:20:30", "eth0") == edited);
      break;
    }
    case 7: {
      const StableName none = [](const std::string&) { return std::nullopt; };
      GODWIT_CHECK(Lines(EditExtlinuxDefaults(text, none)) == Lines(text));
      break;
    }
    default:
      GODWIT_CHECK(OldReleaseName(text).version.size() <= 16);
  }
  return 0;
}

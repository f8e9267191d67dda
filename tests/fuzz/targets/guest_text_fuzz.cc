// Configuration files of a guest: no editor loses or joins lines that are not its own.
//   1 byte    which editor
//   the rest  the text
#include <algorithm>

#include "services/common/base/check.h"
#include "services/conversion/converter/boot_loader.h"
#include "services/conversion/converter/editors.h"
#include "services/conversion/converter/modules.h"
#include "services/conversion/converter/network.h"
#include "tests/fuzz/targets/input.h"

namespace {

using namespace godwit::convert;

std::optional<std::string> Stable(const std::string& device) {
  const bool known = device == "/dev/sda1" || device == "UUID=1";
  return known ? std::optional<std::string>("UUID=1") : std::nullopt;
}

std::ptrdiff_t Lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  godwit::fuzz::Input input(data, size);
  const int which = input.Take<std::uint8_t>() % 8;
  const std::string text(input.rest().begin(), input.rest().end());
  std::vector<std::string> unresolved;
  switch (which) {
    case 0: {
      const std::string edited = EditFstab(text, Stable, &unresolved);
      GODWIT_CHECK(Lines(edited) == Lines(text));
      std::vector<std::string> none;
      GODWIT_CHECK(EditFstab(edited, Stable, &none) == edited && none.empty());
      break;
    }
    case 1:
      for (const BootSyntax syntax : {BootSyntax::kGrub2, BootSyntax::kGrubLegacy,
                                      BootSyntax::kEntry, BootSyntax::kExtlinux}) {
        const std::string edited = EditBootConfig(syntax, text, Stable);
        GODWIT_CHECK(Lines(edited) == Lines(text));
        GODWIT_CHECK(EditBootConfig(syntax, edited, Stable) == edited);
      }
      for (const BootSyntax syntax : {BootSyntax::kEnvironment, BootSyntax::kCommandLine})
        EditBootConfig(syntax, text, Stable);
      break;
    case 2: {
      const std::string edited = EditGrubDefaults(text, Stable);
      const bool last_line_open = !text.empty() && text.back() != '\n';
      const bool added = Lines(edited) != Lines(text);
      GODWIT_CHECK(!added || Lines(edited) == Lines(text) + 1 + (last_line_open ? 1 : 0));
      GODWIT_CHECK(edited.find("ttyS") != std::string::npos);
      break;
    }
    case 3:
      GODWIT_CHECK(Lines(EditResume(text, Stable)) == Lines(text));
      break;
    case 4: {
      const std::string edited = AddModules(text, {"virtio_blk", "nvme"});
      GODWIT_CHECK(AddModules(edited, {"virtio_blk", "nvme"}) == edited);
      break;
    }
    case 5: {
      constexpr char kOld[] = "00:50:56:ab:00:01", kNew[] = "52:54:00:10:20:30";
      GODWIT_CHECK(DropForeignPins(text, {kNew}).size() <= text.size());
      const std::string edited = ReplaceMac(text, kOld, kNew);
      GODWIT_CHECK(edited.size() == text.size() && ReplaceMac(edited, kOld, kNew) == edited);
      break;
    }
    case 6:
      GODWIT_CHECK(OsReleaseValue(text, "ID").size() <= 256);
      break;
    default:
      for (const std::string& path : ModuleClosure(text, {"virtio_blk", "a"})) {
        GODWIT_CHECK(!path.empty() && path[0] != '/' && path.find("..") == std::string::npos);
      }
  }
  return 0;
}

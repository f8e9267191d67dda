// Configuration files of a guest: no editor loses or joins lines that are not its own.
//   1 byte    which editor
//   the rest  the text
#include <algorithm>

#include "services/common/base/check.h"
#include "services/conversion/converter/editors.h"
#include "services/conversion/converter/modules.h"
#include "tests/fuzz/targets/input.h"

namespace {

using namespace godwit::convert;

std::optional<std::string> Stable(const std::string& device) {
  return device == "/dev/sda1" ? std::optional<std::string>("UUID=1") : std::nullopt;
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
      GODWIT_CHECK(Lines(EditGrubConfig(text, Stable)) == Lines(text));
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
    case 5:
      GODWIT_CHECK(DropPersistentNet(text).size() <= text.size());
      break;
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

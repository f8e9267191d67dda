// The first bytes of a guest's volumes. What is made of them goes into configuration files of the
// guest, so it must be short and printable.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "services/common/base/check.h"
#include "services/conversion/converter/superblock.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto found = godwit::convert::ParseSuperblock(
      absl::string_view(reinterpret_cast<const char*>(data), size));
  for (const std::string& text : {found.type, found.uuid, found.label}) {
    GODWIT_CHECK(text.size() <= 256);
    GODWIT_CHECK(std::all_of(text.begin(), text.end(), [](char c) {
      return absl::ascii_isprint(static_cast<unsigned char>(c));
    }));
  }
  if (found.type.empty()) GODWIT_CHECK(found.uuid.empty() && found.label.empty());
  return 0;
}

// First blocks of hives, logs and NTFS volumes, and the path of a word: any bytes.
#include <cstdint>
#include <cstdlib>

#include "services/conversion/converter/windows/ntfs.h"
#include "services/conversion/converter/windows/regf_header.h"
#include "services/conversion/converter/windows/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace godwit::convert::windows;
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole(bytes), half(bytes.substr(size / 2));
  const auto status = CheckHiveIsWhole("HIVE", whole, {"LOG1", half}, {"LOG2", whole});
  const auto header = ParseRegfHeader(bytes);
  if (status.ok() && (!header.ok() || !header->checksum_matches)) abort();
  (void)IsMarkedForCheck(
      [&](std::uint64_t offset, std::size_t length) -> absl::StatusOr<std::string> {
        if (length > 65536) abort();
        return offset < whole.size() ? whole.substr(offset, length) : std::string();
      });
  // Text that came from UTF-16 goes there and back as it is.
  const std::string text = FromUtf16(bytes);
  if (FromUtf16(ToUtf16(text)) != text) abort();
  return 0;
}

// What comes out of the appliance machine, which has read a hostile disk: never more than output
// fields, and an error is never taken for success.
#include "services/common/base/check.h"
#include "services/conversion/appliance/results.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  godwit::conversion::ResultReader reader([](const std::string& message) {
    GODWIT_CHECK(message.size() <= 1000);
    for (const char c : message) GODWIT_CHECK(c >= 0x20 && c < 0x7f);
  });
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  GODWIT_CHECK(reader.Take(text.substr(0, size / 2)).ok());
  GODWIT_CHECK(reader.Take(text.substr(size / 2)).ok());
  godwit::conversion::v1::ConversionTask task;
  const absl::Status result = reader.Result(&task);
  GODWIT_CHECK(task.name().empty());
  if (!result.ok()) GODWIT_CHECK(!result.message().empty() || result.raw_code() <= 16);
  return 0;
}

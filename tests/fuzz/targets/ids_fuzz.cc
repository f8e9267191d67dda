// Resource names and ids from peers: whatever is accepted has exactly the documented form.
#include <cstddef>
#include <cstdint>
#include <string>

#include "services/common/base/check.h"
#include "services/common/base/ids.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);

  const auto server = godwit::ParseName("name", "sourceServers", "s-", text);
  if (server.ok()) {
    GODWIT_CHECK(text == "sourceServers/" + *server);
    GODWIT_CHECK(godwit::CheckId("id", "s-", *server).ok());
  }
  if (godwit::CheckId("id", "job-", text).ok()) {
    GODWIT_CHECK(text.size() == 4 + 17);
    GODWIT_CHECK(text.find_first_not_of("0123456789abcdef", 4) == std::string::npos);
  }
  if (godwit::CheckUuid("request_id", text).ok()) {
    GODWIT_CHECK(text.size() == 36);
    GODWIT_CHECK(text[14] == '4');
  }
  return 0;
}

#include "services/jobs/domain/derived.h"

#include <cctype>

#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"

namespace godwit::jobs {

std::string DerivedUuid(absl::string_view seed) {
  std::string hex = absl::StrCat(DerivedId("", absl::StrCat("uuid/a/", seed)),
                                 DerivedId("", absl::StrCat("uuid/b/", seed)));
  hex.resize(32);
  hex[12] = '4';
  hex[16] = "89ab"[static_cast<unsigned char>(hex[16]) & 3];
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-",
                      hex.substr(16, 4), "-", hex.substr(20));
}

std::string MachineId(absl::string_view job_id, absl::string_view server) {
  return DerivedId("i-", absl::StrCat("machine/", job_id, "/", server));
}

std::string DerivedMac(absl::string_view machine_id, int index) {
  const std::string hex = DerivedId("", absl::StrCat("mac/", machine_id, "/", index));
  return absl::StrCat("52:54:00:", hex.substr(0, 2), ":", hex.substr(2, 2), ":", hex.substr(4, 2));
}

bool IsMac(absl::string_view mac) {
  if (mac.size() != 17 || mac == "00:00:00:00:00:00") return false;
  for (std::size_t i = 0; i < mac.size(); ++i) {
    const auto byte = static_cast<unsigned char>(mac[i]);
    if (i % 3 == 2 ? byte != ':' : !std::isxdigit(byte)) return false;
  }
  const char low = static_cast<char>(std::tolower(static_cast<unsigned char>(mac[1])));
  const int digit = std::isdigit(static_cast<unsigned char>(low)) ? low - '0' : low - 'a' + 10;
  return digit % 2 == 0;
}

}  // namespace godwit::jobs

// .inf files of drivers: any bytes, for every kind of Windows.
#include <cstdint>
#include <cstdlib>

#include "services/conversion/converter/windows/inf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace godwit::convert::windows;
  const auto text = ParseInfText({reinterpret_cast<const char*>(data), size});
  if (!text.ok()) return 0;
  for (const char* architecture : {"x86_64", "i386", "aarch64"}) {
    for (const int build : {7601, 19045, 26100}) {
      const Version version{.major = build < 9000 ? 6 : 10,
                            .minor = build < 9000 ? 1 : 0,
                            .build = build,
                            .server = build == 26100,
                            .architecture = architecture};
      const auto inf = ReadDriverInf(*text, version);
      if (!inf.ok()) continue;
      // Names become paths in the guest: none may lead out of its folder.
      for (const std::string& file : inf->files) {
        if (file.empty() || file == ".." || file.find_first_of("/\\") != std::string::npos) abort();
      }
      if (inf->hardware_ids.empty() || inf->files.size() > 64) abort();
    }
  }
  return 0;
}

// Which Windows a guest is.
#pragma once

#include <string>
#include <vector>

namespace godwit::convert::windows {

struct Version {
  int major = 0, minor = 0, build = 0;
  bool server = false;
  std::string architecture;  // "x86_64", "i386", "aarch64"; "" unknown

  // Since Windows 8 a DriverDatabase says which driver serves a device at boot.
  bool HasDriverDatabase() const { return major > 6 || (major == 6 && minor >= 2); }
};

// Words that folders of driver collections use for versions of Windows ("w10", "2k19"...): those
// whose drivers may serve `version`, the best first. Own kind (client or server) and newest first,
// then the other kind, then those of the generation before Windows 10.
std::vector<std::string> FolderWords(const Version& version);
// Any word of any version.
bool IsFolderWord(const std::string& word);

// "amd64", "x64"... -> as Version::architecture; "" when it names none.
std::string ArchitectureOfWord(const std::string& word);

}  // namespace godwit::convert::windows

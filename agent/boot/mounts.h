// Mounted file systems, from the text of /proc/self/mountinfo.
#pragma once

#include <string>
#include <vector>

namespace godwit::agent {

struct Mount {
  std::string device;  // "major:minor"
  std::string mount_point;
  std::string type;
  bool read_only = false;  // the file system, not the mount alone
};

// Of each of `devices` that is mounted, one mount: the first.
std::vector<Mount> MountsOf(const std::string& mountinfo, const std::vector<std::string>& devices);

}  // namespace godwit::agent

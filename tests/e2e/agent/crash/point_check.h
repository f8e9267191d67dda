// Looks at one point as a machine that starts from it after a power cut would: journals are
// replayed, file systems checked, PostgreSQL recovers; then everything that was promised before the
// cut must be there, and nothing that was begun after it.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/e2e/agent/crash/load.h"
#include "tests/e2e/agent/crash/postgres.h"

namespace godwit::testing {

struct DiskImage {
  std::string file;  // raw
  std::uint64_t bytes = 0;
  std::string type;    // of the file system
  std::string folder;  // where it is to be mounted
};

struct Finding {
  enum Kind { kMount, kFileSystem, kRecovery, kContent, kLost, kEarly, kKinds };
  Kind kind;
  std::string text;
};
const char* KindName(Finding::Kind kind);

// The images are changed. Empty: the point is good.
std::vector<Finding> CheckPoint(const std::vector<DiskImage>& images, const PostgresPlace& place,
                                const std::string& files, const Load& load, absl::Time cut_time);

}  // namespace godwit::testing

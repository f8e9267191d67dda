// How a worker reaches its Ceph cluster.
#pragma once

#include <string>

#include "absl/time/time.h"

namespace godwit::store {

struct RbdOptions {
  std::string pool;
  std::string name_space;    // may be empty
  std::string conf;          // ceph.conf
  std::string user;          // without "client."
  std::string clone_folder;  // of the overlays of clones
  // For one operation of the cluster. Longer than a failing OSD takes to be noticed.
  absl::Duration patience = absl::Seconds(60);
};

}  // namespace godwit::store

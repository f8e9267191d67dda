// Which files a machine boots from, and what somebody who looks whether it will boot wants to see:
// found by their names in the mounted file systems, picked by their inodes on the disks.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>

#include "agent/boot/inode_map.h"

namespace godwit::agent {

// By the device number that stat says.
using InodeMaps = std::map<dev_t, std::unique_ptr<InodeMap>>;

// `root`: the machine's root folder, "" for "/". Fails only when a limit of `picker` is reached:
// then the most wanted files were picked.
absl::Status PickBootFiles(Picker& picker, const std::string& root, const InodeMaps& maps);

}  // namespace godwit::agent

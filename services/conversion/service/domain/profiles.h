// Target profiles: the kinds of machine a converted image can be launched on.
#pragma once

#include <vector>

#include "absl/strings/string_view.h"

namespace godwit::conversion {

struct Profile {
  const char* name;
  const char* description;
  const char* disk_bus;
  const char* nic_model;
};

const std::vector<Profile>& Profiles();

// nullptr for unknown names. The empty name is the default profile, "kvm-virtio".
const Profile* FindProfile(absl::string_view name);

}  // namespace godwit::conversion

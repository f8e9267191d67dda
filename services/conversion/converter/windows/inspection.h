// What is said of a Windows guest: Inspection.windows of the proto.
#pragma once

#include <string>
#include <vector>

namespace godwit::convert {

struct WindowsInspection {
  std::string product_name, edition, installation_type;
  int build = 0;
  bool is_server = false;
  std::string control_set, system_root, computer_name, boot_mode, activation;
  std::vector<std::string> hypervisor_tools, paravirtual_drivers, page_files;
};

}  // namespace godwit::convert

// Formats that disks are exported in.
#pragma once

#include <string>
#include <vector>

namespace godwit::image {

struct ImageFormat {
  const char* name;     // of --format
  const char* driver;   // of qemu-img
  const char* options;  // of qemu-img -o; may be empty
  const char* suffix;   // of file names
  bool can_check;       // qemu-img check knows it
};

// nullptr: there is none of that name.
const ImageFormat* FindImageFormat(const std::string& name);
// "qcow2|raw|...", for help.
std::string ImageFormatNames();

}  // namespace godwit::image

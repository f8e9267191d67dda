#include "services/common/image/formats.h"

#include "absl/strings/str_cat.h"

namespace godwit::image {
namespace {

// VHD rounds sizes to its geometry unless it is told to keep them.
constexpr ImageFormat kFormats[] = {
    {"qcow2", "qcow2", "", "qcow2", true},
    {"raw", "raw", "", "raw", false},
    {"vmdk", "vmdk", "subformat=streamOptimized", "vmdk", true},
    {"vhd", "vpc", "subformat=dynamic,force_size=on", "vhd", false},
    {"vhd-fixed", "vpc", "subformat=fixed,force_size=on", "vhd", false},
    {"vhdx", "vhdx", "subformat=dynamic", "vhdx", true},
    // An appliance for other hypervisors: these disks, a description and a manifest in one file.
    {"ova", "vmdk", "subformat=streamOptimized", "vmdk", true},
};

}  // namespace

const ImageFormat* FindImageFormat(const std::string& name) {
  for (const ImageFormat& format : kFormats) {
    if (name == format.name) return &format;
  }
  return nullptr;
}

std::string ImageFormatNames() {
  std::string out;
  for (const ImageFormat& format : kFormats)
    absl::StrAppend(&out, out.empty() ? "" : "|", format.name);
  return out;
}

}  // namespace godwit::image

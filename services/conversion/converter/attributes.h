// Extended attributes of a guest's files: SELinux labels, access lists, capabilities. A file that
// is replaced keeps them, or a system that enforces SELinux could not read its own configuration.
#pragma once

#include <string>

namespace godwit::convert {

// Gives the new file `to` the attributes of the file `name` in `folder`; of the folder itself only
// its SELinux label, when `name` is empty. Signatures of the content (IMA, EVM) are left out, as
// is what the file system does not take: at most 64 of at most 64 KiB each.
void CopyAttributes(int folder, const std::string& name, int to);

}  // namespace godwit::convert

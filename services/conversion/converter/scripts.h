// The operator's own scripts, run in order after the conversion, inside of the appliance.
#pragma once

#include <string>
#include <vector>

#include "services/conversion/converter/convert.h"

namespace godwit::convert {

// `where`: the mounted root, $GODWIT_ROOT of the scripts. A name that ends in ".chroot" runs inside
// of it, with the guest's own shell. What they do is recorded as one change each (path: the
// script's name, after_sha256: the script's hash) and stays when a conversion is undone.
// FAILED_PRECONDITION names the script that failed or ran over its time.
absl::Status RunScripts(const std::string& where, const std::vector<Script>& scripts,
                        GuestRoot& root, Outcome* outcome);

}  // namespace godwit::convert

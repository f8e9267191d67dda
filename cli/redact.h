// Takes secrets out of text that leaves the installation.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace godwit::cli {

// `text` (configuration, logs, JSON) with these replaced by "[redacted]": private keys in PEM;
// values of names that contain password, secret, token, credential or passphrase, or that are keys
// themselves (paths of key files stay); passwords in connection strings and URLs; installation
// tokens and access keys wherever they stand; Authorization headers.
std::string Redact(absl::string_view text);

}  // namespace godwit::cli

// deploy/install/install.sh, with @GATEWAY@ and @ENROLLMENT@ still in it.
#pragma once

namespace godwit::gateway {

extern const char kInstallScript[];

}  // namespace godwit::gateway

#include "services/common/base/version.h"

// The build gives it; a part that is built by itself (fuzzing) has none.
#ifndef GODWIT_VERSION
#define GODWIT_VERSION "unknown"
#endif

namespace godwit {

const char* Version() { return GODWIT_VERSION; }

}  // namespace godwit

// `servers wait`.
#pragma once

#include "cli/command.h"

namespace godwit::cli {

Command ServerWait();

}  // namespace godwit::cli

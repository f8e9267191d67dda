// `jobs console`.
#pragma once

#include "cli/command.h"

namespace godwit::cli {

Command Console();

}  // namespace godwit::cli

// templates create, templates update.
#pragma once

#include "cli/command.h"

namespace godwit::cli {

Command CreateTemplate();
Command UpdateTemplate();

}  // namespace godwit::cli

// points export.
#pragma once

#include "cli/command.h"

namespace godwit::cli {

Command ExportPoint();

}  // namespace godwit::cli

// The version of this program, as `--version`, metrics and reports give it.
#pragma once

namespace godwit {

const char* Version();

}  // namespace godwit

// Something that an operator should know of the guest.
#pragma once

#include <string>

namespace godwit::convert {

struct Finding {
  std::string severity, reason, message, remedy;  // severity: NOTE, WARNING, BLOCKER
};

}  // namespace godwit::convert

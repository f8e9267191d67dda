// What a conversion found that an operator should know, as
// protos/godwit/conversion/v1/conversion_service.proto has it.
#pragma once

#include <string>
#include <vector>

namespace godwit::convert {

struct Finding {
  std::string severity, reason, message, remedy;  // severity: NOTE, WARNING, BLOCKER
};
using Findings = std::vector<Finding>;

}  // namespace godwit::convert

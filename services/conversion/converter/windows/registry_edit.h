// Values of the registry and their edits, as the list of changes has them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace godwit::convert::windows {

struct RegValue {
  std::uint32_t type = 0;  // REG_SZ 1, REG_EXPAND_SZ 2, REG_BINARY 3, REG_DWORD 4, REG_MULTI_SZ 7
  std::string data;        // as in the hive
  bool operator==(const RegValue&) const = default;
};

// One edit. With `made_key` the key itself was made and `value` means nothing.
struct RegistryEdit {
  std::string key;    // "ControlSet001\Services\viostor", from the root of the hive
  std::string value;  // "": the key's default value
  bool made_key = false;
  std::optional<RegValue> before, after;  // nullopt: there is no such value
};

}  // namespace godwit::convert::windows

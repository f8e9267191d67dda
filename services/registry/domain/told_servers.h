// Which servers a watch told its reader of. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "absl/strings/string_view.h"

namespace godwit::registry {

// Of ids in any order, each once: equal for equal sets, and for others practically never. Part of
// tokens, so it stays what it is.
class IdDigest {
 public:
  // Adds the id, or takes it out again.
  void Toggle(absl::string_view id);
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0;
};
std::uint64_t DigestOf(const std::set<std::string>& ids);

// Who is not limited to a scope was told of all servers that there are; nothing is kept for him.
class ToldServers {
 public:
  ToldServers() = default;  // not limited
  explicit ToldServers(std::set<std::string> ids);

  bool limited() const { return ids_.has_value(); }
  // Of a limited reader.
  const std::set<std::string>& ids() const { return *ids_; }
  bool Has(const std::string& id) const { return !ids_ || ids_->contains(id); }
  void Add(const std::string& id);
  void Remove(const std::string& id);
  // For tokens; nullopt: not limited.
  std::optional<std::uint64_t> digest() const;

 private:
  std::optional<std::set<std::string>> ids_;
  IdDigest digest_;
};

}  // namespace godwit::registry

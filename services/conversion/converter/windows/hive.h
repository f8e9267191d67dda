// A registry hive that is read and edited: libhivex behind bounds and statuses. Every edit is
// recorded with what was there before, so that it can be shown and undone. The bytes are hostile:
// hives are parsed in the appliance only (and by tests).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/conversion/converter/windows/registry_edit.h"

struct hive_h;

namespace godwit::convert::windows {

RegValue RegSz(absl::string_view text);
RegValue RegExpandSz(absl::string_view text);
RegValue RegBinary(absl::string_view bytes);
RegValue RegDword(std::uint32_t number);
RegValue RegMultiSz(const std::vector<std::string>& texts);

// Keys are written with backslashes; names of keys and values are found in any case. Not
// thread-safe.
class Hive {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{192} << 20;

  // `name`: for messages. INVALID_ARGUMENT when it cannot be parsed, RESOURCE_EXHAUSTED when it is
  // larger than kMaxBytes.
  static absl::StatusOr<Hive> Open(std::string name, const std::string& bytes);

  bool HasKey(const std::string& key) const;
  // Names below a key in the hive's order; none when there is no such key. At most 70000.
  std::vector<std::string> Children(const std::string& key) const;
  std::vector<std::pair<std::string, RegValue>> Values(const std::string& key) const;
  std::optional<RegValue> Get(const std::string& key, const std::string& value) const;
  // Of any type of text; "" when there is none.
  std::string GetText(const std::string& key, const std::string& value) const;
  std::vector<std::string> GetTexts(const std::string& key, const std::string& value) const;
  std::optional<std::uint32_t> GetDword(const std::string& key, const std::string& value) const;

  // Makes the key and those above it.
  absl::Status MakeKey(const std::string& key);
  // Makes the key as well. Nothing happens when it is there already.
  absl::Status Set(const std::string& key, const std::string& value, const RegValue& data);
  absl::Status Remove(const std::string& key, const std::string& value);

  const std::vector<RegistryEdit>& edits() const { return edits_; }
  // Takes edits back, the last one first. FAILED_PRECONDITION when a value is no longer what the
  // edit made it. Recorded, too.
  absl::Status Undo(const std::vector<RegistryEdit>& edits);
  // The hive with all edits.
  absl::StatusOr<std::string> Serialize();

 private:
  struct Close {
    void operator()(hive_h* handle) const;
  };
  Hive(std::string name, hive_h* handle) : name_(std::move(name)), handle_(handle) {}
  // 0: there is none.
  std::size_t Find(const std::string& key) const;
  absl::Status Failed(absl::string_view what, const std::string& key) const;
  absl::Status Put(const std::string& key, const std::string& value,
                   const std::optional<RegValue>& data);

  std::string name_;
  std::unique_ptr<hive_h, Close> handle_;
  std::vector<RegistryEdit> edits_;
};

}  // namespace godwit::convert::windows

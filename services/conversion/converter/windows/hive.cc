#include "services/conversion/converter/windows/hive.h"

#include <hivex.h>
#include <sys/mman.h>
#include <unistd.h>

#include "absl/base/internal/endian.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/windows/text.h"

namespace godwit::convert::windows {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxEdits = 10000;

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

// A file without a name; its path is one that libhivex can open.
absl::StatusOr<std::pair<Fd, std::string>> NamelessFile() {
  Fd fd(memfd_create("hive", MFD_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus("memfd_create");
  std::string path = absl::StrCat("/proc/self/fd/", fd.get());
  return std::make_pair(std::move(fd), std::move(path));
}

std::vector<std::string> Parts(const std::string& key) {
  return absl::StrSplit(key, '\\', absl::SkipEmpty());
}

std::string Zero() { return std::string(2, '\0'); }

}  // namespace

RegValue RegSz(absl::string_view text) { return {1, ToUtf16(text) + Zero()}; }
RegValue RegExpandSz(absl::string_view text) { return {2, ToUtf16(text) + Zero()}; }
RegValue RegBinary(absl::string_view bytes) { return {3, std::string(bytes)}; }
RegValue RegDword(std::uint32_t number) {
  RegValue value{4, std::string(4, '\0')};
  absl::little_endian::Store32(value.data.data(), number);
  return value;
}
RegValue RegMultiSz(const std::vector<std::string>& texts) {
  RegValue value{7, ""};
  for (const std::string& text : texts) value.data += ToUtf16(text) + Zero();
  value.data += Zero();
  return value;
}

void Hive::Close::operator()(hive_h* handle) const { hivex_close(handle); }

absl::StatusOr<Hive> Hive::Open(std::string name, const std::string& bytes) {
  if (bytes.size() > kMaxBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the registry hive ", name, " is larger than ", kMaxBytes >> 20, " MiB"));
  }
  ASSIGN_OR_RETURN(const auto file, NamelessFile());
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t wrote = write(file.first.get(), bytes.data() + done, bytes.size() - done);
    if (wrote <= 0) return ErrnoStatus(name);
    done += static_cast<std::size_t>(wrote);
  }
  hive_h* const handle = hivex_open(file.second.c_str(), HIVEX_OPEN_WRITE);
  if (handle == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("the registry hive ", name, " is damaged"));
  }
  return Hive(std::move(name), handle);
}

absl::Status Hive::Failed(absl::string_view what, const std::string& key) const {
  return absl::InvalidArgumentError(
      absl::StrCat("the registry hive ", name_, ": ", what, " ", key, " failed: it is damaged"));
}

std::size_t Hive::Find(const std::string& key) const {
  const std::vector<std::string> parts = Parts(key);
  if (parts.size() > kMaxDepth) return 0;
  hive_node_h node = hivex_root(handle_.get());
  for (const std::string& part : parts) {
    if (node == 0) break;
    node = hivex_node_get_child(handle_.get(), node, part.c_str());
  }
  return node;
}

bool Hive::HasKey(const std::string& key) const { return Find(key) != 0; }

std::vector<std::string> Hive::Children(const std::string& key) const {
  std::vector<std::string> names;
  const hive_node_h node = Find(key);
  if (node == 0) return names;
  const Owned<hive_node_h> children(hivex_node_children(handle_.get(), node));
  for (const hive_node_h* child = children.get(); child != nullptr && *child != 0; ++child) {
    const Owned<char> name(hivex_node_name(handle_.get(), *child));
    if (name != nullptr) names.emplace_back(name.get());
  }
  return names;
}

std::vector<std::pair<std::string, RegValue>> Hive::Values(const std::string& key) const {
  std::vector<std::pair<std::string, RegValue>> values;
  const hive_node_h node = Find(key);
  if (node == 0) return values;
  const Owned<hive_value_h> found(hivex_node_values(handle_.get(), node));
  for (const hive_value_h* value = found.get(); value != nullptr && *value != 0; ++value) {
    const Owned<char> name(hivex_value_key(handle_.get(), *value));
    hive_type type{};
    std::size_t size = 0;
    const Owned<char> data(hivex_value_value(handle_.get(), *value, &type, &size));
    if (name == nullptr || data == nullptr) continue;
    values.push_back(
        {name.get(), {static_cast<std::uint32_t>(type), std::string(data.get(), size)}});
  }
  return values;
}

std::optional<RegValue> Hive::Get(const std::string& key, const std::string& value) const {
  const hive_node_h node = Find(key);
  if (node == 0) return std::nullopt;
  const hive_value_h found = hivex_node_get_value(handle_.get(), node, value.c_str());
  if (found == 0) return std::nullopt;
  hive_type type{};
  std::size_t size = 0;
  const Owned<char> data(hivex_value_value(handle_.get(), found, &type, &size));
  if (data == nullptr) return std::nullopt;
  return RegValue{static_cast<std::uint32_t>(type), std::string(data.get(), size)};
}

std::string Hive::GetText(const std::string& key, const std::string& value) const {
  const std::vector<std::string> texts = GetTexts(key, value);
  return texts.empty() ? "" : texts[0];
}

std::vector<std::string> Hive::GetTexts(const std::string& key, const std::string& value) const {
  std::vector<std::string> texts;
  const std::optional<RegValue> found = Get(key, value);
  if (!found || (found->type != 1 && found->type != 2 && found->type != 7)) return texts;
  absl::string_view rest = found->data;
  while (rest.size() >= 2) {
    std::size_t end = 0;
    while (end + 1 < rest.size() && (rest[end] != 0 || rest[end + 1] != 0)) end += 2;
    if (end == 0) break;
    texts.push_back(FromUtf16(rest.substr(0, end)));
    rest.remove_prefix(std::min(rest.size(), end + 2));
    if (found->type != 7) break;
  }
  return texts;
}

std::optional<std::uint32_t> Hive::GetDword(const std::string& key,
                                            const std::string& value) const {
  const std::optional<RegValue> found = Get(key, value);
  if (!found || found->type != 4 || found->data.size() != 4) return std::nullopt;
  return absl::little_endian::Load32(found->data.data());
}

absl::Status Hive::MakeKey(const std::string& key) {
  const std::vector<std::string> parts = Parts(key);
  if (parts.size() > kMaxDepth) return absl::InvalidArgumentError(key + ": too deep");
  hive_node_h node = hivex_root(handle_.get());
  std::string path;
  for (const std::string& part : parts) {
    if (node == 0) return Failed("making", key);
    absl::StrAppend(&path, path.empty() ? "" : "\\", part);
    hive_node_h child = hivex_node_get_child(handle_.get(), node, part.c_str());
    if (child == 0) {
      if (edits_.size() >= kMaxEdits) return absl::ResourceExhaustedError("too many edits");
      child = hivex_node_add_child(handle_.get(), node, part.c_str());
      if (child == 0) return Failed("making", path);
      edits_.push_back({.key = path, .made_key = true});
    }
    node = child;
  }
  return absl::OkStatus();
}

// `key` is there. nullopt removes the value.
absl::Status Hive::Put(const std::string& key, const std::string& value,
                       const std::optional<RegValue>& data) {
  const hive_node_h node = Find(key);
  if (node == 0) return Failed("finding", key);
  if (data) {
    std::string name = value, bytes = data->data;
    const hive_set_value set{name.data(), static_cast<hive_type>(data->type), bytes.size(),
                             bytes.data()};
    return hivex_node_set_value(handle_.get(), node, &set, 0) == 0 ? absl::OkStatus()
                                                                   : Failed("editing", key);
  }
  std::vector<std::pair<std::string, RegValue>> values = Values(key);
  if (values.size() != hivex_node_nr_values(handle_.get(), node)) return Failed("reading", key);
  std::vector<hive_set_value> left;
  for (auto& [name, old] : values) {
    if (absl::EqualsIgnoreCase(name, value)) continue;
    left.push_back(
        {name.data(), static_cast<hive_type>(old.type), old.data.size(), old.data.data()});
  }
  return hivex_node_set_values(handle_.get(), node, left.size(), left.data(), 0) == 0
             ? absl::OkStatus()
             : Failed("editing", key);
}

absl::Status Hive::Set(const std::string& key, const std::string& value, const RegValue& data) {
  RETURN_IF_ERROR(MakeKey(key));
  std::optional<RegValue> before = Get(key, value);
  if (before && *before == data) return absl::OkStatus();
  if (edits_.size() >= kMaxEdits) return absl::ResourceExhaustedError("too many edits");
  RETURN_IF_ERROR(Put(key, value, data));
  edits_.push_back({.key = key, .value = value, .before = std::move(before), .after = data});
  return absl::OkStatus();
}

absl::Status Hive::Remove(const std::string& key, const std::string& value) {
  std::optional<RegValue> before = Get(key, value);
  if (!before) return absl::OkStatus();
  if (edits_.size() >= kMaxEdits) return absl::ResourceExhaustedError("too many edits");
  RETURN_IF_ERROR(Put(key, value, std::nullopt));
  edits_.push_back({.key = key, .value = value, .before = std::move(before)});
  return absl::OkStatus();
}

absl::Status Hive::Undo(const std::vector<RegistryEdit>& edits) {
  for (auto edit = edits.rbegin(); edit != edits.rend(); ++edit) {
    if (edit->made_key) {
      const hive_node_h node = Find(edit->key);
      if (node == 0) continue;
      if (!Children(edit->key).empty() || !Values(edit->key).empty()) {
        return absl::FailedPreconditionError(
            absl::StrCat(name_, ": ", edit->key, " holds what the conversion did not make"));
      }
      if (hivex_node_delete_child(handle_.get(), node) != 0) return Failed("removing", edit->key);
      continue;
    }
    if (Get(edit->key, edit->value) != edit->after) {
      return absl::FailedPreconditionError(absl::StrCat(name_, ": ", edit->key, "\\", edit->value,
                                                        " is not what the conversion made it"));
    }
    RETURN_IF_ERROR(edit->before ? Set(edit->key, edit->value, *edit->before)
                                 : Remove(edit->key, edit->value));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Hive::Serialize() {
  ASSIGN_OR_RETURN(const auto file, NamelessFile());
  if (hivex_commit(handle_.get(), file.second.c_str(), 0) != 0) {
    return absl::InternalError(absl::StrCat("writing the registry hive ", name_, " failed"));
  }
  return ReadFile(file.second, 2 * kMaxBytes);
}

}  // namespace godwit::convert::windows

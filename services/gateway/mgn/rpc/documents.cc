#include "services/gateway/mgn/rpc/documents.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"

namespace godwit::gateway::mgn {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostBytes = 16 * 1024;  // of an action's command
constexpr std::size_t kMostName = 128;
constexpr int kMostVersions = 10'000;
constexpr char kDefaultFile[] = "default";

// What is behind "document/" of an ARN, else all of it.
absl::string_view NameIn(absl::string_view identifier) {
  constexpr absl::string_view kMark = ":document/";
  const std::size_t at = identifier.find(kMark);
  if (!absl::StartsWith(identifier, "arn:") || at == absl::string_view::npos) return identifier;
  return identifier.substr(at + kMark.size());
}

// A name that can be no path out of the folder, and is not hidden.
bool IsName(absl::string_view name) {
  return !name.empty() && name.size() <= kMostName && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
         });
}

bool IsCommand(const std::string& text) {
  using nlohmann::json;
  const bool control = std::any_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_iscntrl(static_cast<unsigned char>(c)) && c != '\t' && c != '\n';
  });
  // Replacing what is no UTF-8 changes nothing where all is.
  return !text.empty() && !control &&
         json::parse(json(text).dump(-1, ' ', false, json::error_handler_t::replace)) == text;
}

// The highest number that is a file's name; 0 when there is none.
int NewestIn(const std::string& dir) {
  int newest = 0, seen = 0;
  std::error_code error;
  for (fs::directory_iterator it(dir, error), end; !error && it != end; it.increment(error)) {
    int number = 0;
    const std::string name = it->path().filename().string();
    if (absl::SimpleAtoi(name, &number) && absl::StrCat(number) == name) {
      newest = std::max(newest, number);
    }
    if (++seen == kMostVersions) break;
  }
  return newest;
}

}  // namespace

absl::StatusOr<std::string> Documents::PathOf(absl::string_view field, const std::string& name,
                                              absl::string_view version) const {
  const std::string path = absl::StrCat(dir_, "/", name);
  const bool any = version.empty() || version == "$DEFAULT" || version == "$LATEST";
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  std::string found;
  if (fs::is_regular_file(status)) {
    if (any || version == "1") return path;
  } else if (fs::is_directory(status)) {
    const std::string chosen = absl::StrCat(path, "/", kDefaultFile);
    if (!any) {
      found = absl::StrCat(path, "/", version);
    } else if (version != "$LATEST" && fs::is_regular_file(chosen, error)) {
      found = chosen;
    } else {
      found = absl::StrCat(path, "/", NewestIn(path));
    }
    if (fs::is_regular_file(found, error)) return found;
  } else {
    return rpc::FieldError(field, absl::StrCat("there is no document \"", name,
                                               "\" in the folder of the gateway's --documents"));
  }
  return rpc::FieldError("documentVersion", absl::StrCat("document \"", name, "\" has no version ",
                                                         version.empty() ? "1" : version));
}

absl::StatusOr<std::string> Documents::Read(absl::string_view field, absl::string_view identifier,
                                            absl::string_view version) const {
  if (dir_.empty()) {
    return rpc::FieldError(field,
                           "this gateway has no documents: it was started without "
                           "--documents (docs/gateway.md)");
  }
  const std::string name(NameIn(identifier));
  if (!IsName(name)) {
    return rpc::FieldError(field,
                           "names of documents are 1 to 128 letters, digits, dots, dashes and "
                           "underscores, and begin with no dot");
  }
  ASSIGN_OR_RETURN(const std::string path, PathOf(field, name, version));
  const absl::StatusOr<std::string> text = ReadFile(path, kMostBytes);
  if (absl::IsResourceExhausted(text.status())) {
    return rpc::FieldError(
        field, absl::StrCat("document \"", name, "\" is larger than ", kMostBytes, " bytes"));
  }
  if (!text.ok()) return absl::InternalError(text.status().ToString());
  if (!IsCommand(*text)) {
    return rpc::FieldError(field,
                           absl::StrCat("document \"", name,
                                        "\" is empty, is no UTF-8, or has control characters "
                                        "other than tab and newline"));
  }
  return text;
}

}  // namespace godwit::gateway::mgn

#include "services/common/rpc/scope.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/method.h"
#include "services/common/rpc/serve.h"

namespace godwit::rpc {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr absl::string_view kCollections[] = {"sourceServers", "applications", "waves"};
constexpr std::size_t kMostShown = 200;  // characters of a name in an error

absl::Status Outside(absl::string_view name) {
  return WithInfo(
      absl::NotFoundError(absl::StrCat("there is no ", name.substr(0, kMostShown))),
      {.reason = "NOT_IN_SCOPE", .metadata = {{"name", std::string(name.substr(0, kMostShown))}}});
}

absl::Status NotKnown(const Identity& peer, absl::string_view why) {
  return WithInfo(absl::UnavailableError(absl::StrCat("whether ", peer.Principal(),
                                                      " is limited to a scope is not known: ", why,
                                                      "; try again")),
                  {.reason = "SCOPE_NOT_KNOWN"});
}

// "sourceServers/s-1/points/p-2" -> "sourceServers/s-1"; empty: of no collection that scopes know.
std::string Root(absl::string_view name) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, absl::MaxSplits('/', 2));
  const bool known = std::find(std::begin(kCollections), std::end(kCollections), parts[0]) !=
                     std::end(kCollections);
  if (!known || parts.size() < 2 || parts[1].empty()) return "";
  const bool an_id = std::all_of(parts[1].begin(), parts[1].end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-';
  });
  return an_id ? absl::StrCat(parts[0], "/", parts[1]) : "";
}

absl::StatusOr<std::vector<std::string>> ValuesIn(const MethodRule& rule, const Message* request) {
  if (request == nullptr) return absl::InvalidArgumentError("the request cannot be read");
  std::vector<std::string> values;
  for (const absl::string_view path : absl::StrSplit(rule.names, ',', absl::SkipEmpty())) {
    ASSIGN_OR_RETURN(const std::vector<std::string> found, FieldTexts(*request, path));
    values.insert(values.end(), found.begin(), found.end());
  }
  return values;
}

bool HasAll(const Scope& scope, const std::vector<std::string>& names) {
  return !names.empty() && std::all_of(names.begin(), names.end(),
                                       [&](const std::string& name) { return scope.Has(name); });
}

// Whether a name of the service's own is within.
absl::StatusOr<bool> HasOwn(ScopeSource& source, const Identity& peer, const std::string& value) {
  const absl::StatusOr<std::vector<std::string>> names = source.Expand(value);
  if (absl::IsNotFound(names.status()) || absl::IsInvalidArgument(names.status())) return false;
  if (!names.ok()) return NotKnown(peer, names.status().message());
  const absl::StatusOr<std::shared_ptr<const Scope>> scope = source.Find(peer.Principal(), *names);
  if (!scope.ok()) return NotKnown(peer, scope.status().message());
  return *scope == nullptr || HasAll(**scope, *names);
}

absl::string_view FirstField(absl::string_view names) { return names.substr(0, names.find(',')); }

absl::Status NeverScoped(const Identity& peer) {
  return WithInfo(absl::PermissionDeniedError(
                      absl::StrCat(peer.Principal(),
                                   " is limited to a scope, and this reaches beyond any; ask "
                                   "an admin or an operator without a scope")),
                  {.reason = "SCOPED"});
}

}  // namespace

std::vector<std::string> Scope::Ids(absl::string_view collection) const {
  const std::string prefix = absl::StrCat(collection, "/");
  std::vector<std::string> ids;
  for (auto at = names.lower_bound(prefix); at != names.end() && absl::StartsWith(*at, prefix);
       ++at) {
    ids.push_back(at->substr(prefix.size()));
  }
  return ids;
}

absl::StatusOr<std::vector<std::string>> ScopeSource::Expand(const std::string&) {
  return std::vector<std::string>();
}

bool CanBeScoped(const Identity& peer) {
  return peer.kind == PeerKind::kUser && peer.role != UserRole::kAdmin;
}

absl::StatusOr<std::vector<std::string>> FieldTexts(const Message& message,
                                                    absl::string_view path) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(path, absl::MaxSplits('.', 1));
  const FieldDescriptor* const field =
      message.GetDescriptor()->FindFieldByName(std::string(parts.first));
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  const auto is = [&](FieldDescriptor::Type type) {
    return field != nullptr && field->type() == type;
  };
  if (!parts.second.empty() && is(FieldDescriptor::TYPE_MESSAGE) && !field->is_repeated()) {
    return FieldTexts(reflection.GetMessage(message, field), parts.second);
  }
  if (!parts.second.empty() || !is(FieldDescriptor::TYPE_STRING)) {
    return absl::InternalError(
        absl::StrCat(message.GetDescriptor()->full_name(), " has no text ", path));
  }
  std::vector<std::string> texts;
  if (!field->is_repeated()) {
    texts.push_back(reflection.GetString(message, field));
  } else {
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      texts.push_back(reflection.GetRepeatedString(message, field, i));
    }
  }
  texts.erase(std::remove(texts.begin(), texts.end(), ""), texts.end());
  return texts;
}

absl::StatusOr<std::shared_ptr<const Scope>> CheckScope(const MethodRule& rule,
                                                        const Message* request, ScopeSource* source,
                                                        const Identity& peer) {
  if (!CanBeScoped(peer) || rule.scoped == Scoped::kAny) return nullptr;
  if (source == nullptr) return NotKnown(peer, "this service does not follow the registry");
  const bool by_names = rule.scoped == Scoped::kNamed || rule.scoped == Scoped::kListed;
  const absl::StatusOr<std::vector<std::string>> values =
      by_names ? ValuesIn(rule, request) : std::vector<std::string>();
  std::vector<std::string> roots;
  if (values.ok()) {
    for (const std::string& value : *values) {
      if (std::string root = Root(value); !root.empty()) roots.push_back(std::move(root));
    }
  }
  absl::StatusOr<std::shared_ptr<const Scope>> scope = source->Find(peer.Principal(), roots);
  if (!scope.ok()) return NotKnown(peer, scope.status().message());
  if (*scope == nullptr) return nullptr;
  if (!by_names) return NeverScoped(peer);
  RETURN_IF_ERROR(values);
  if (rule.scoped == Scoped::kNamed && values->empty()) {
    return FieldError(FirstField(rule.names), "is required");
  }
  for (const std::string& value : *values) {
    const std::string root = Root(value);
    bool within = !root.empty() && (*scope)->Has(root);
    if (root.empty()) {
      ASSIGN_OR_RETURN(within, HasOwn(*source, peer, value));
    }
    if (!within) return Outside(value);
  }
  return scope;
}

absl::StatusOr<std::shared_ptr<const Scope>> ScopeNow(const grpc::ServerContextBase& context,
                                                      const Identity& peer) {
  const MethodRule* const rule = FindRule(MethodOf(context));
  if (rule == nullptr) return absl::InternalError("the method of this call is not known");
  const CallFacts facts = FactsOf(context);
  return CheckScope(*rule, facts.request, facts.scopes, peer);
}

}  // namespace godwit::rpc

#include "cli/names.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "cli/call.h"
#include "cli/format.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "services/common/base/ids.h"

namespace godwit::cli {
namespace {

using registry::v1::ListSourceServersRequest;
using registry::v1::SourceServerService;

bool IsServerId(absl::string_view text) { return CheckId("server", "s-", text).ok(); }

}  // namespace

absl::StatusOr<std::string> ServerName(Context& context, absl::string_view text) {
  absl::string_view id = text;
  const bool full = absl::ConsumePrefix(&id, "sourceServers/");
  if (full || IsServerId(id)) {
    if (!IsServerId(id)) {
      return absl::InvalidArgumentError(
          absl::StrCat("SERVER: ", text, " is no name of a server: s- and 17 hex digits"));
    }
    const std::string name = absl::StrCat("sourceServers/", id);
    context.set_subject(name);
    return name;
  }
  ListSourceServersRequest request;
  request.set_show_archived(true);
  ASSIGN_OR_RETURN(const auto all,
                   CallAllPages(context, &SourceServerService::Stub::ListSourceServers, request));
  std::vector<std::string> found;
  for (const auto& server : all.source_servers()) {
    if (server.properties().hostname() == text || server.user_provided_id() == text ||
        server.properties().fqdn() == text) {
      found.push_back(server.name());
    }
  }
  if (found.empty()) {
    return absl::NotFoundError(absl::StrCat("no server has the host name or id \"", text,
                                            "\"; `godwit servers list --archived` shows all"));
  }
  if (found.size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "SERVER: several servers are called \"", text,
        "\": ", absl::StrJoin(found, ", ", [](std::string* out, const std::string& name) {
          absl::StrAppend(out, ShortName(name));
        })));
  }
  context.set_subject(found[0]);
  return found[0];
}

absl::StatusOr<std::vector<std::string>> ServerNames(Context& context,
                                                     const std::vector<std::string>& texts) {
  std::vector<std::string> names;
  for (const std::string& text : texts) {
    ASSIGN_OR_RETURN(std::string name, ServerName(context, text));
    names.push_back(std::move(name));
  }
  if (names.size() != 1) context.set_subject("");
  return names;
}

absl::StatusOr<std::string> SimpleName(absl::string_view field, absl::string_view collection,
                                       absl::string_view prefix, absl::string_view text) {
  absl::string_view id = text;
  absl::ConsumePrefix(&id, absl::StrCat(collection, "/"));
  if (!absl::StartsWith(id, prefix) || absl::StrContains(id, '/') || id.size() > 64) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": \"", text, "\" is neither ", prefix,
                                                   "… nor ", collection, "/", prefix, "…"));
  }
  return absl::StrCat(collection, "/", id);
}

std::string TemplateName(absl::string_view text) {
  constexpr absl::string_view kCollection = "settingsTemplates/";
  return absl::StartsWith(text, kCollection) ? std::string(text) : absl::StrCat(kCollection, text);
}

absl::StatusOr<std::string> JobName(absl::string_view text) {
  return SimpleName("JOB", "jobs", "job-", text);
}

absl::StatusOr<std::string> PointName(absl::string_view server, absl::string_view text) {
  const std::string collection = absl::StrCat(server, "/points");
  if (absl::StartsWith(text, "sourceServers/") && !absl::StartsWith(text, collection)) {
    return absl::InvalidArgumentError(
        absl::StrCat("POINT: ", text, " is a point of another server than ", ShortName(server)));
  }
  return SimpleName("POINT", collection, "p-", text);
}

absl::StatusOr<std::map<std::string, std::string>> KeyValues(
    absl::string_view option, const std::vector<std::string>& texts) {
  std::map<std::string, std::string> out;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(absl::StrCat(option, ": \"", text, "\" is not KEY=VALUE"));
    }
    if (!out.emplace(text.substr(0, equals), text.substr(equals + 1)).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(option, ": the key ", text.substr(0, equals), " is given twice"));
    }
  }
  return out;
}

absl::Status ChangeTags(const std::vector<std::string>& texts,
                        google::protobuf::Map<std::string, std::string>* tags) {
  for (const std::string& text : texts) {
    if (!absl::StrContains(text, '=') && absl::EndsWith(text, "-") && text.size() > 1) {
      tags->erase(text.substr(0, text.size() - 1));
      continue;
    }
    ASSIGN_OR_RETURN(const auto entry, KeyValues("tag", {text}));
    (*tags)[entry.begin()->first] = entry.begin()->second;
  }
  return absl::OkStatus();
}

std::map<std::string, std::string> HostNames(Context& context) {
  std::map<std::string, std::string> out;
  if (!context.Knows("registry")) return out;
  ListSourceServersRequest request;
  request.set_show_archived(true);
  const auto all = CallAllPages(context, &SourceServerService::Stub::ListSourceServers, request);
  if (!all.ok()) return out;
  for (const auto& server : all->source_servers()) {
    out[server.name()] = server.properties().hostname().empty() ? server.user_provided_id()
                                                                : server.properties().hostname();
  }
  return out;
}

}  // namespace godwit::cli

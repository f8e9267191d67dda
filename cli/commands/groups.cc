// applications, waves.
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/group_names.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/views/group_view.h"
#include "cli/views/server_view.h"
#include "godwit/registry/v1/fleet_service.grpc.pb.h"
#include "services/common/base/ids.h"

namespace godwit::cli {
namespace {

using Fleet = registry::v1::FleetService::Stub;
using registry::v1::Application;
using registry::v1::Wave;

// Where applications and waves differ.
template <typename Group>
struct Kind;
template <>
struct Kind<Application> {
  using Create = registry::v1::CreateApplicationRequest;
  using Update = registry::v1::UpdateApplicationRequest;
  static constexpr char kNoun[] = "applications", kArgument[] = "APPLICATION";
  static constexpr char kMember[] = "SERVER", kMembers[] = "servers";
  static constexpr auto kGet = &Fleet::GetApplication;
  static constexpr auto kList = &Fleet::ListApplications;
  static constexpr auto kCreate = &Fleet::CreateApplication;
  static constexpr auto kUpdate = &Fleet::UpdateApplication;
  static constexpr auto kDelete = &Fleet::DeleteApplication;
  static constexpr auto kAssociate = &Fleet::AssociateSourceServers;
  static constexpr auto kDisassociate = &Fleet::DisassociateSourceServers;
  static constexpr auto kName = &AnyApplicationName;
  static constexpr auto kMemberName = &ServerName;
  template <typename Request>
  static Application& In(Request& request) {
    return *request.mutable_application();
  }
};
template <>
struct Kind<Wave> {
  using Create = registry::v1::CreateWaveRequest;
  using Update = registry::v1::UpdateWaveRequest;
  static constexpr char kNoun[] = "waves", kArgument[] = "WAVE";
  static constexpr char kMember[] = "APPLICATION", kMembers[] = "applications";
  static constexpr auto kGet = &Fleet::GetWave;
  static constexpr auto kList = &Fleet::ListWaves;
  static constexpr auto kCreate = &Fleet::CreateWave;
  static constexpr auto kUpdate = &Fleet::UpdateWave;
  static constexpr auto kDelete = &Fleet::DeleteWave;
  static constexpr auto kAssociate = &Fleet::AssociateApplications;
  static constexpr auto kDisassociate = &Fleet::DisassociateApplications;
  static constexpr auto kName = &WaveName;
  static constexpr auto kMemberName = &AnyApplicationName;
  template <typename Request>
  static Wave& In(Request& request) {
    return *request.mutable_wave();
  }
};

template <typename Group>
std::string Words(absl::string_view verb) {
  return absl::StrCat(Kind<Group>::kNoun, " ", verb);
}

template <typename Group>
absl::Status Print(Context& context, const Group& group) {
  if (context.json()) return PrintJson(context, group);
  PrintGroup(group, context.out());
  return absl::OkStatus();
}

template <typename Group>
absl::StatusOr<Group> Read(Context& context, const std::string& text) {
  registry::v1::GetGroupRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), Kind<Group>::kName(context, text));
  return Call(context, Kind<Group>::kGet, request);
}

template <typename Group>
Command List() {
  struct Given {
    bool archived = false;
    std::string wave;
  };
  auto given = std::make_shared<Given>();
  return {.words = Words<Group>("list"),
          .purpose = absl::StrCat("one line each: members, health, progress"),
          .options =
              [given](Options& options) {
                options.Bool("archived", &given->archived, "archived ones too");
                if constexpr (std::is_same_v<Group, Application>) {
                  options.String("wave", &given->wave, "WAVE", "only those of this wave");
                }
              },
          .run = [given](Context& context, const Options&, const Arguments&) -> absl::Status {
            registry::v1::ListGroupsRequest request;
            request.set_show_archived(given->archived);
            if (!given->wave.empty()) {
              ASSIGN_OR_RETURN(*request.add_waves(), WaveName(context, given->wave));
            }
            ASSIGN_OR_RETURN(const auto list, CallAllPages(context, Kind<Group>::kList, request));
            if (context.json()) return PrintJson(context, list);
            PrintGroups(list, context.out());
            return absl::OkStatus();
          }};
}

template <typename Group>
Command Get() {
  return {.words = Words<Group>("get"),
          .arguments = Kind<Group>::kArgument,
          .purpose = "everything of one",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            ASSIGN_OR_RETURN(const Group group, Read<Group>(context, arguments[0]));
            return Print(context, group);
          }};
}

template <typename Group>
Command Create() {
  struct Given {
    std::string description;
    std::vector<std::string> tags;
  };
  auto given = std::make_shared<Given>();
  return {
      .words = Words<Group>("create"),
      .arguments = "NAME",
      .purpose = absl::StrCat("makes one without ", Kind<Group>::kMembers),
      .least = 1,
      .most = 1,
      .options =
          [given](Options& options) {
            options.String("description", &given->description, "TEXT", "for people");
            options.Strings("tag", &given->tags, "K=V", "tag");
          },
      .run = [given](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
        typename Kind<Group>::Create request;
        request.set_request_id(NewUuid());
        Group& wanted = Kind<Group>::In(request);
        wanted.set_display_name(arguments[0]);
        wanted.set_description(given->description);
        ASSIGN_OR_RETURN(const auto tags, KeyValues("--tag", given->tags));
        wanted.mutable_tags()->insert(tags.begin(), tags.end());
        ASSIGN_OR_RETURN(const Group group, Call(context, Kind<Group>::kCreate, request));
        return Print(context, group);
      }};
}

template <typename Group>
Command Update() {
  struct Given {
    std::string name, description;
  };
  auto given = std::make_shared<Given>();
  return {.words = Words<Group>("update"),
          .arguments = Kind<Group>::kArgument,
          .purpose = "another name or description",
          .least = 1,
          .most = 1,
          .options =
              [given](Options& options) {
                options.String("name", &given->name, "NAME", "the new name");
                options.String("description", &given->description, "TEXT", "for people");
              },
          .run = [given](Context& context, const Options& options,
                         const Arguments& arguments) -> absl::Status {
            typename Kind<Group>::Update request;
            request.set_request_id(NewUuid());
            Group& wanted = Kind<Group>::In(request);
            if (options.Given("name")) request.mutable_update_mask()->add_paths("display_name");
            if (options.Given("description")) {
              request.mutable_update_mask()->add_paths("description");
            }
            if (request.update_mask().paths().empty()) {
              return absl::InvalidArgumentError("give --name or --description");
            }
            ASSIGN_OR_RETURN(*wanted.mutable_name(), Kind<Group>::kName(context, arguments[0]));
            wanted.set_display_name(given->name);
            wanted.set_description(given->description);
            ASSIGN_OR_RETURN(const Group group, Call(context, Kind<Group>::kUpdate, request));
            return Print(context, group);
          }};
}

template <typename Group>
Command Tag() {
  return {.words = Words<Group>("tag"),
          .arguments = absl::StrCat(Kind<Group>::kArgument, " KEY=VALUE... KEY-..."),
          .purpose = "sets tags; KEY- removes one",
          .least = 2,
          .most = kAnyNumber,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            ASSIGN_OR_RETURN(const Group before, Read<Group>(context, arguments[0]));
            typename Kind<Group>::Update request;
            request.set_request_id(NewUuid());
            request.mutable_update_mask()->add_paths("tags");
            Group& wanted = Kind<Group>::In(request);
            wanted.set_name(before.name());
            wanted.set_etag(before.etag());
            *wanted.mutable_tags() = before.tags();
            RETURN_IF_ERROR(
                ChangeTags({arguments.begin() + 1, arguments.end()}, wanted.mutable_tags()));
            ASSIGN_OR_RETURN(const Group group, Call(context, Kind<Group>::kUpdate, request));
            return Print(context, group);
          }};
}

template <typename Group>
Command SetArchived(bool archived) {
  return {.words = Words<Group>(archived ? "archive" : "unarchive"),
          .arguments = Kind<Group>::kArgument,
          .purpose = archived ? "hides it with all its servers, which must be finished"
                              : "shows it and all its servers again",
          .least = 1,
          .most = 1,
          .run = [archived](Context& context, const Options&,
                            const Arguments& arguments) -> absl::Status {
            typename Kind<Group>::Update request;
            request.set_request_id(NewUuid());
            request.mutable_update_mask()->add_paths("archived");
            Group& wanted = Kind<Group>::In(request);
            ASSIGN_OR_RETURN(*wanted.mutable_name(), Kind<Group>::kName(context, arguments[0]));
            wanted.set_archived(archived);
            ASSIGN_OR_RETURN(const Group group, Call(context, Kind<Group>::kUpdate, request));
            return Print(context, group);
          }};
}

template <typename Group>
Command Delete() {
  return {.words = Words<Group>("delete"),
          .arguments = Kind<Group>::kArgument,
          .purpose = absl::StrCat("only when it has no ", Kind<Group>::kMembers),
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            registry::v1::DeleteGroupRequest request;
            request.set_request_id(NewUuid());
            ASSIGN_OR_RETURN(*request.mutable_name(), Kind<Group>::kName(context, arguments[0]));
            ASSIGN_OR_RETURN(const auto deleted, Call(context, Kind<Group>::kDelete, request));
            if (context.json()) return PrintJson(context, deleted);
            context.out() << ShortName(request.name()) << " deleted" << std::endl;
            return absl::OkStatus();
          }};
}

template <typename Group>
Command ChangeMembers(bool associate) {
  return {.words = Words<Group>(associate ? "associate" : "disassociate"),
          .arguments = absl::StrCat(Kind<Group>::kArgument, " ", Kind<Group>::kMember, "..."),
          .purpose = absl::StrCat(associate ? "puts " : "takes ", Kind<Group>::kMembers,
                                  associate ? " into it" : " out of it", "; all or none"),
          .least = 2,
          .most = 201,
          .run = [associate](Context& context, const Options&,
                             const Arguments& arguments) -> absl::Status {
            registry::v1::AssociateRequest request;
            request.set_request_id(NewUuid());
            ASSIGN_OR_RETURN(*request.mutable_name(), Kind<Group>::kName(context, arguments[0]));
            for (std::size_t i = 1; i < arguments.size(); ++i) {
              ASSIGN_OR_RETURN(*request.add_members(),
                               Kind<Group>::kMemberName(context, arguments[i]));
            }
            ASSIGN_OR_RETURN(
                const Group group,
                Call(context, associate ? Kind<Group>::kAssociate : Kind<Group>::kDisassociate,
                     request));
            return Print(context, group);
          }};
}

template <typename Group>
void Add(std::vector<Command>* all) {
  for (Command& command :
       std::vector<Command>{List<Group>(), Get<Group>(), Create<Group>(), Update<Group>(),
                            Tag<Group>(), ChangeMembers<Group>(true), ChangeMembers<Group>(false),
                            SetArchived<Group>(true), SetArchived<Group>(false), Delete<Group>()}) {
    all->push_back(std::move(command));
  }
}

}  // namespace

std::vector<Command> GroupCommands() {
  std::vector<Command> all;
  Add<Application>(&all);
  Add<Wave>(&all);
  return all;
}

}  // namespace godwit::cli

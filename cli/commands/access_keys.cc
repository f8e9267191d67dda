// access-keys.
#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/output.h"
#include "cli/views/access_key_view.h"
#include "godwit/registry/v1/access_key_service.grpc.pb.h"
#include "services/common/base/ids.h"

namespace godwit::cli {
namespace {

using registry::v1::AccessKey;
using registry::v1::AccessKeyService;

std::string FullName(absl::string_view text) {
  return absl::StartsWith(text, "accessKeys/") ? std::string(text)
                                               : absl::StrCat("accessKeys/", text);
}

// A name that a section of ~/.aws/credentials can have.
absl::Status CheckSection(absl::string_view name) {
  const bool good =
      !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
        return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' ||
               c == '.';
      });
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "--credentials: 1 to 64 letters, digits, dashes, underscores and dots");
}

Command Create() {
  struct Given {
    std::string description, profile, credentials;
  };
  auto given = std::make_shared<Given>();
  return {.words = "access-keys create",
          .arguments = "PRINCIPAL",
          .purpose = "a key for aws CLI and boto3 that acts as PRINCIPAL; prints its secret, once",
          .least = 1,
          .most = 1,
          .options =
              [given](Options& options) {
                options.String("description", &given->description, "TEXT", "for people");
                options.String("lifecycle-profile", &given->profile, "strict|lenient",
                               "rules of the life cycle for its calls [those of the installation]");
                options.String("credentials", &given->credentials, "NAME",
                               "print only a section NAME as ~/.aws/credentials takes it");
              },
          .run = [given](Context& context, const Options& options,
                         const Arguments& arguments) -> absl::Status {
            registry::v1::CreateAccessKeyRequest request;
            request.set_request_id(NewUuid());
            AccessKey& wanted = *request.mutable_access_key();
            wanted.set_principal(arguments[0]);
            wanted.set_description(given->description);
            if (options.Given("credentials")) RETURN_IF_ERROR(CheckSection(given->credentials));
            if (options.Given("lifecycle-profile")) {
              ASSIGN_OR_RETURN(const int profile,
                               ParseEnum("lifecycle-profile",
                                         AccessKey::LifecycleProfile_descriptor(), given->profile));
              wanted.set_lifecycle_profile(static_cast<AccessKey::LifecycleProfile>(profile));
            }
            ASSIGN_OR_RETURN(const AccessKey key,
                             Call(context, &AccessKeyService::Stub::CreateAccessKey, request));
            if (context.json()) return PrintJson(context, key);
            if (options.Given("credentials")) {
              PrintAwsCredentials(key, given->credentials, context.out());
            } else {
              PrintNewAccessKey(key, context.out());
            }
            return absl::OkStatus();
          }};
}

Command List() {
  auto principal = std::make_shared<std::string>();
  return {.words = "access-keys list",
          .purpose = "access keys; who is no admin sees those of their own",
          .options =
              [principal](Options& options) {
                options.String("principal", principal.get(), "PRINCIPAL", "keys of this one only");
              },
          .run = [principal](Context& context, const Options&, const Arguments&) -> absl::Status {
            registry::v1::ListAccessKeysRequest request;
            request.set_principal(*principal);
            ASSIGN_OR_RETURN(
                const auto list,
                CallAllPages(context, &AccessKeyService::Stub::ListAccessKeys, request));
            if (context.json()) return PrintJson(context, list);
            PrintAccessKeys(list, context.out());
            return absl::OkStatus();
          }};
}

Command SetDisabled(bool disabled) {
  return {.words = disabled ? "access-keys disable" : "access-keys enable",
          .arguments = "KEY",
          .purpose = disabled ? "signatures with it are refused, within 5 seconds everywhere"
                              : "signatures with it are taken again",
          .least = 1,
          .most = 1,
          .run = [disabled](Context& context, const Options&,
                            const Arguments& arguments) -> absl::Status {
            registry::v1::UpdateAccessKeyRequest request;
            request.mutable_access_key()->set_name(FullName(arguments[0]));
            request.mutable_access_key()->set_disabled(disabled);
            request.mutable_update_mask()->add_paths("disabled");
            ASSIGN_OR_RETURN(const AccessKey key,
                             Call(context, &AccessKeyService::Stub::UpdateAccessKey, request));
            if (context.json()) return PrintJson(context, key);
            context.out() << ShortName(key.name()) << (disabled ? " disabled" : " enabled")
                          << std::endl;
            return absl::OkStatus();
          }};
}

Command Delete() {
  return {.words = "access-keys delete",
          .arguments = "KEY",
          .purpose = "ends it for good",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            registry::v1::DeleteAccessKeyRequest request;
            request.set_name(FullName(arguments[0]));
            ASSIGN_OR_RETURN(const auto deleted,
                             Call(context, &AccessKeyService::Stub::DeleteAccessKey, request));
            if (context.json()) return PrintJson(context, deleted);
            context.out() << ShortName(request.name()) << " deleted" << std::endl;
            return absl::OkStatus();
          }};
}

}  // namespace

std::vector<Command> AccessKeyCommands() {
  return {Create(), List(), SetDisabled(false), SetDisabled(true), Delete()};
}

}  // namespace godwit::cli

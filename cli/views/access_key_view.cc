#include "cli/views/access_key_view.h"

#include <ostream>

#include "absl/strings/ascii.h"
#include "cli/format.h"
#include "cli/output.h"

namespace godwit::cli {
namespace {

using registry::v1::AccessKey;

std::string ProfileOf(const AccessKey& key) {
  if (key.lifecycle_profile() == AccessKey::LIFECYCLE_PROFILE_UNSPECIFIED) return "default";
  return absl::AsciiStrToLower(EnumWord(key.lifecycle_profile()));
}

}  // namespace

void PrintAccessKeys(const registry::v1::ListAccessKeysResponse& list, std::ostream& out) {
  Table table(
      {"ACCESS KEY", "PRINCIPAL", "STATE", "PROFILE", "CREATED", "LAST USE", "DESCRIPTION"});
  for (const AccessKey& key : list.access_keys()) {
    table.Row({ShortName(key.name()), key.principal(), key.disabled() ? "disabled" : "enabled",
               ProfileOf(key), When(key.create_time()), When(key.last_use_time()),
               key.description().empty() ? "-" : key.description()});
  }
  table.Print(out, "no access keys");
}

void PrintNewAccessKey(const AccessKey& key, std::ostream& out) {
  Fields fields;
  fields.Add("Access key", ShortName(key.name()));
  fields.Add("Secret", key.secret());
  fields.Add("Principal", key.principal());
  fields.Add("Profile", ProfileOf(key));
  fields.Print(out);
  out << "\nThe secret is shown only now. For ~/.aws/credentials:\n\n";
  PrintAwsCredentials(key, "godwit", out);
}

void PrintAwsCredentials(const AccessKey& key, const std::string& section, std::ostream& out) {
  out << "[" << section << "]\n"
      << "aws_access_key_id = " << ShortName(key.name()) << "\n"
      << "aws_secret_access_key = " << key.secret() << "\n";
}

}  // namespace godwit::cli

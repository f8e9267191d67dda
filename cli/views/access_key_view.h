// Access keys for people.
#pragma once

#include <iosfwd>
#include <string>

#include "godwit/registry/v1/access_key_service.pb.h"

namespace godwit::cli {

void PrintAccessKeys(const registry::v1::ListAccessKeysResponse& list, std::ostream& out);
// With its secret, and what ~/.aws/credentials takes.
void PrintNewAccessKey(const registry::v1::AccessKey& key, std::ostream& out);
// A section of ~/.aws/credentials, and nothing else.
void PrintAwsCredentials(const registry::v1::AccessKey& key, const std::string& section,
                         std::ostream& out);

}  // namespace godwit::cli

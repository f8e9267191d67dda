// Between messages, domain values and the JSON documents that the database keeps.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "godwit/jobs/v1/job.pb.h"
#include "godwit/registry/v1/enrollment_service.pb.h"
#include "godwit/registry/v1/source_server.pb.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "services/registry/domain/installation_token.h"
#include "services/registry/domain/source_server.h"
#include "services/registry/rpc/fields.h"

namespace godwit::registry {

namespace pb = ::godwit::registry::v1;
namespace jobs_pb = ::godwit::jobs::v1;

// A document of `message`. INTERNAL when it cannot be written.
absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message);
// Reads it back; fields of a newer program are passed over. An empty document gives the default.
absl::Status FromJson(const std::string& json, google::protobuf::Message* message);

std::string TagsToJson(const Tags& tags);
absl::Status TagsFromJson(const std::string& json, Tags* tags);

void SetTime(absl::Time time, google::protobuf::Timestamp* out);
absl::Time TimeOf(const google::protobuf::Timestamp& time);
absl::Duration DurationOf(const google::protobuf::Duration& duration);
void SetDuration(absl::Duration duration, google::protobuf::Duration* out);

absl::StatusOr<pb::SourceServer> ToProto(const SourceServer& server);
absl::StatusOr<pb::Token> ToProto(const InstallationToken& token, const std::string& ca_pin);

}  // namespace godwit::registry

#include "cli/verification_report.h"

#include "absl/strings/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/signed_report.h"

namespace godwit::cli {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

constexpr char kType[] = "godwit verification report";
constexpr std::int64_t kFormat = 1;

// Takes members of a JSON object; remembers the first that is missing or of another kind.
class Members {
 public:
  Members(const Struct& object, absl::Status& status) : object_(object), status_(status) {}

  std::string Text(const std::string& name) {
    return Get(name, Value::kStringValue).string_value();
  }
  std::int64_t Number(const std::string& name) {
    const double value = Get(name, Value::kNumberValue).number_value();
    // Doubles are exact so far: 8 PiB.
    constexpr double kMost = 9007199254740992.0;
    if (!(value >= 0 && value <= kMost)) return Wrong(name), 0;
    return static_cast<std::int64_t>(value);
  }
  const Struct& Object(const std::string& name) {
    return Get(name, Value::kStructValue).struct_value();
  }
  const google::protobuf::ListValue& List(const std::string& name) {
    return Get(name, Value::kListValue).list_value();
  }

 private:
  const Value& Get(const std::string& name, Value::KindCase kind) {
    const auto found = object_.fields().find(name);
    if (found != object_.fields().end() && found->second.kind_case() == kind) return found->second;
    Wrong(name);
    return Value::default_instance();
  }
  void Wrong(const std::string& name) {
    if (!status_.ok()) return;
    status_ = absl::InvalidArgumentError(
        absl::StrCat("the signed text is no verification report: \"", name, "\" is not right"));
  }

  const Struct& object_;
  absl::Status& status_;
};

}  // namespace

absl::StatusOr<VerificationReport> ReadVerificationReport(const std::string& file,
                                                          const std::string& ca_pem) {
  ASSIGN_OR_RETURN(const rpc::Identity coordinator, rpc::ParsePrincipal("service/replication"));
  ASSIGN_OR_RETURN(const rpc::SignedReport proved, rpc::VerifyReport(file, ca_pem, coordinator));
  Struct object;
  if (!google::protobuf::util::JsonStringToMessage(proved.text, &object).ok()) {
    return absl::InvalidArgumentError("the signed text is no JSON object");
  }
  absl::Status status;
  Members members(object, status);
  if (members.Text("type") != kType || members.Number("format") != kFormat) {
    return absl::InvalidArgumentError(
        absl::StrCat("the signed text is no \"", kType, "\" of format ", kFormat));
  }
  VerificationReport out{.json = proved.text,
                         .signer = proved.signer.Principal(),
                         .certificate_sha256 = proved.certificate_sha256};
  out.server = members.Text("server");
  out.verification = members.Text("verification");
  out.compare_start_time = members.Text("compare_start_time");
  out.compare_end_time = members.Text("compare_end_time");
  out.end_time = members.Text("end_time");
  out.compared_bytes = members.Number("compared_bytes");
  out.total_bytes = members.Number("total_bytes");
  out.difference_count = members.Number("difference_count");
  out.coordinator_version = members.Text("coordinator_version");
  for (const Value& each : members.List("disks").values()) {
    Members disk(each.struct_value(), status);
    out.disks.push_back({.id = disk.Text("id"),
                         .device_name = disk.Text("device_name"),
                         .size_bytes = disk.Number("size_bytes")});
  }
  Members point(members.Object("point"), status);
  out.point = point.Text("name");
  out.epoch = point.Number("epoch");
  out.cut_time = point.Text("cut_time");
  out.consistency = point.Text("consistency");
  out.root_hash = point.Text("root_hash");
  RETURN_IF_ERROR(status);
  return out;
}

}  // namespace godwit::cli

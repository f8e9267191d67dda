// Operations of the MGN API as functions, one file an area. A new area adds a file with
// `OperationList SomethingCalls()` and names it in operations.cc.
//
// An operation gets what validate.h let through and gives the members of the answer (ignored where
// the table says that the answer is empty). A status becomes an error of the API by errors.h:
// what the services answer is passed on as it is. UNIMPLEMENTED: answered 501 with its message.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "services/gateway/mgn/model/shape.h"

namespace godwit::gateway::mgn {

class Call;

// Who asks, as the signature proved.
struct Asker {
  std::string principal;  // "user/operator/ci"
  std::string address;
  std::string profile;      // "strict", "lenient" or empty
  std::string request_id;   // of this request
  std::string change_seed;  // the same when the client sends the request again
};

using OperationFunction =
    std::function<absl::StatusOr<nlohmann::json>(const Call& call, const nlohmann::json& input)>;
using OperationList = std::vector<std::pair<absl::string_view, OperationFunction>>;

OperationList AccountCalls();
OperationList ActionCalls();
OperationList ConnectorCalls();
OperationList GroupCalls();
OperationList JobCalls();
OperationList LaunchCalls();
OperationList ReplicationCalls();
OperationList ServerCalls();
OperationList ServerNoteCalls();
OperationList SettingsCalls();
OperationList TagCalls();
OperationList TemplateCalls();
OperationList TransferCalls();

// By name. Those that are missing are not done yet.
const std::map<absl::string_view, OperationFunction>& Operations();

}  // namespace godwit::gateway::mgn

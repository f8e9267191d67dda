#include "services/gateway/mgn/rpc/operation.h"

namespace godwit::gateway::mgn {

const std::map<absl::string_view, OperationFunction>& Operations() {
  static const auto* const all = [] {
    auto* map = new std::map<absl::string_view, OperationFunction>();
    for (const OperationList& list : {
             AccountCalls(),
             ActionCalls(),
             ConnectorCalls(),
             GroupCalls(),
             JobCalls(),
             LaunchCalls(),
             ReplicationCalls(),
             ServerCalls(),
             ServerNoteCalls(),
             SettingsCalls(),
             TagCalls(),
             TemplateCalls(),
             TransferCalls(),
         }) {
      map->insert(list.begin(), list.end());
    }
    return map;
  }();
  return *all;
}

}  // namespace godwit::gateway::mgn

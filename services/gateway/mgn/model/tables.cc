#include "services/gateway/mgn/model/tables.h"

#include <vector>

namespace godwit::gateway::mgn {

std::span<const Operation* const> AllOperations() {
  static const auto* const all = [] {
    auto* list = new std::vector<const Operation*>();
    for (const std::span<const Operation> area :
         {ServiceOperations(), TemplatesOperations(), ServersOperations(), ReplicationOperations(),
          LaunchOperations(), JobsOperations(), ActionsOperations(), ApplicationsOperations(),
          WavesOperations(), TransfersOperations(), VcenterOperations(), ConnectorsOperations()}) {
      for (const Operation& operation : area) list->push_back(&operation);
    }
    return list;
  }();
  return *all;
}

}  // namespace godwit::gateway::mgn

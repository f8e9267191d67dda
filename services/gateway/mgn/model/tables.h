// The tables of operations, one file an area.
#pragma once

#include <span>

#include "services/gateway/mgn/model/shape.h"

namespace godwit::gateway::mgn {

std::span<const Operation> ServiceOperations();
std::span<const Operation> TemplatesOperations();
std::span<const Operation> ServersOperations();
std::span<const Operation> ReplicationOperations();
std::span<const Operation> LaunchOperations();
std::span<const Operation> JobsOperations();
std::span<const Operation> ActionsOperations();
std::span<const Operation> ApplicationsOperations();
std::span<const Operation> WavesOperations();
std::span<const Operation> TransfersOperations();
std::span<const Operation> VcenterOperations();
std::span<const Operation> ConnectorsOperations();

// All 70, by area.
std::span<const Operation* const> AllOperations();

}  // namespace godwit::gateway::mgn

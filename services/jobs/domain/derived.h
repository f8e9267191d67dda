// Names that always follow from a run, so that a step that is tried again finds what it made
// before.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace godwit::jobs {

// A UUID of version 4's form that follows from `seed`: request ids towards other services.
std::string DerivedUuid(absl::string_view seed);

// "i-" + 17 hex digits: the machine that this job launches for this server.
std::string MachineId(absl::string_view job_id, absl::string_view server);

// A locally administered MAC address of QEMU's range (52:54:00) for NIC `index` of a machine.
std::string DerivedMac(absl::string_view machine_id, int index);

// Whether `mac` is six colon-separated hex bytes of a unicast address that is not all zeros.
bool IsMac(absl::string_view mac);

}  // namespace godwit::jobs

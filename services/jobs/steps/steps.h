// All steps, one file each. `environment` must outlive them.
#pragma once

#include <memory>

#include "services/jobs/runner/step.h"
#include "services/jobs/steps/environment.h"

namespace godwit::jobs {

// Learns the server's properties; tells the registry that the launch is in progress.
std::unique_ptr<Step> MakeLookUpServer(const Environment& environment);
// Removes machines of earlier launches, with their clones.
std::unique_ptr<Step> MakeRemoveMachines(const Environment& environment);
// Asks for a fresh point and waits for it.
std::unique_ptr<Step> MakeTakePoint(const Environment& environment);
// A writable overlay on the point.
std::unique_ptr<Step> MakeCreateClone(const Environment& environment);
// Makes the clone bootable on the target's profile.
std::unique_ptr<Step> MakeConvert(const Environment& environment);
// For looking only: a clone of what has arrived, a conversion that changes nothing, and the end of
// the clone.
std::unique_ptr<Step> MakeCreateView(const Environment& environment);
std::unique_ptr<Step> MakeInspect(const Environment& environment);
std::unique_ptr<Step> MakeRemoveView(const Environment& environment);
std::unique_ptr<Step> MakeCreateMachine(const Environment& environment);
std::unique_ptr<Step> MakeStartMachine(const Environment& environment);
// Waits for the signs of life that the settings ask for.
std::unique_ptr<Step> MakeProveBoot(const Environment& environment);
// Runs the post-launch actions.
std::unique_ptr<Step> MakeRunActions(const Environment& environment);
// Commit point: from here on the machine belongs to the user.
std::unique_ptr<Step> MakeReportLaunched(const Environment& environment);
// Copies into the machine's disks what they still take from the clone; the clone goes.
std::unique_ptr<Step> MakeDetachDisks(const Environment& environment);
std::unique_ptr<Step> MakeReportFailed(const Environment& environment);
std::unique_ptr<Step> MakeReportTerminated(const Environment& environment);

}  // namespace godwit::jobs

// Operations of MGN: launches.
#include "services/gateway/mgn/model/enums.h"
#include "services/gateway/mgn/model/job_shapes.h"
#include "services/gateway/mgn/model/server_shapes.h"
#include "services/gateway/mgn/model/settings_shapes.h"
#include "services/gateway/mgn/model/tables.h"
#include "services/gateway/mgn/model/texts.h"

namespace godwit::gateway::mgn {

namespace {

constexpr Member kGetLaunchConfigurationIn[] = {
    {"sourceServerID", &kServerId, kRequired},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kUpdateLaunchConfigurationIn[] = {
    {"sourceServerID", &kServerId, kRequired},
    {"name", &kString<0, 128>},
    {"launchDisposition", &kLaunchDisposition},
    {"targetInstanceTypeRightSizingMethod", &kTargetInstanceTypeRightSizingMethod},
    {"copyPrivateIp", &kBool},
    {"copyTags", &kBool},
    {"licensing", &kLicensing},
    {"bootMode", &kBootMode},
    {"postLaunchActions", &kPostLaunchActions},
    {"enableMapAutoTagging", &kBool},
    {"mapAutoTaggingMpeID", &kString<0, 256>},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kStartTestIn[] = {
    {"sourceServerIDs", &kList<kServerId, 1, 200>, kRequired},
    {"tags", &kTagsMap},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kStartTestOut[] = {
    {"job", &kJob},
};
constexpr Shape kStartTestAnswer = Structure(kStartTestOut);
constexpr Member kStartCutoverIn[] = {
    {"sourceServerIDs", &kList<kServerId, 1, 200>, kRequired},
    {"tags", &kTagsMap},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kStartCutoverOut[] = {
    {"job", &kJob},
};
constexpr Shape kStartCutoverAnswer = Structure(kStartCutoverOut);
constexpr Member kFinalizeCutoverIn[] = {
    {"sourceServerID", &kServerId, kRequired},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kTerminateTargetInstancesIn[] = {
    {"sourceServerIDs", &kList<kServerId, 1, 200>, kRequired},
    {"tags", &kTagsMap},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kTerminateTargetInstancesOut[] = {
    {"job", &kJob},
};
constexpr Shape kTerminateTargetInstancesAnswer = Structure(kTerminateTargetInstancesOut);

constexpr Operation kOperations[] = {
    {"GetLaunchConfiguration", "POST", "/GetLaunchConfiguration", 200, kGetLaunchConfigurationIn,
     &kLaunchConfiguration, kUninitialized | kNotFound, 2022},
    {"UpdateLaunchConfiguration", "POST", "/UpdateLaunchConfiguration", 200,
     kUpdateLaunchConfigurationIn, &kLaunchConfiguration,
     kUninitialized | kNotFound | kValidation | kConflict, 2022},
    {"StartTest", "POST", "/StartTest", 202, kStartTestIn, &kStartTestAnswer,
     kUninitialized | kValidation | kConflict, 2022},
    {"StartCutover", "POST", "/StartCutover", 202, kStartCutoverIn, &kStartCutoverAnswer,
     kUninitialized | kValidation | kConflict, 2022},
    {"FinalizeCutover", "POST", "/FinalizeCutover", 200, kFinalizeCutoverIn, &kSourceServer,
     kUninitialized | kNotFound | kValidation | kConflict, 2022},
    {"TerminateTargetInstances", "POST", "/TerminateTargetInstances", 202,
     kTerminateTargetInstancesIn, &kTerminateTargetInstancesAnswer,
     kUninitialized | kValidation | kConflict, 2022},
};

}  // namespace

std::span<const Operation> LaunchOperations() { return kOperations; }

}  // namespace godwit::gateway::mgn

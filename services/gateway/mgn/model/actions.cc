// Operations of MGN: post-launch actions.
#include "services/gateway/mgn/model/enums.h"
#include "services/gateway/mgn/model/settings_shapes.h"
#include "services/gateway/mgn/model/tables.h"
#include "services/gateway/mgn/model/texts.h"

namespace godwit::gateway::mgn {

namespace {

constexpr Member kPutSourceServerActionIn[] = {
    {"sourceServerID", &kServerId, kRequired},
    {"actionName", &kString<1, 256, kNoBlankEnds>, kRequired},
    {"documentIdentifier", &kString<0, 256>, kRequired},
    {"order", &kInteger<1001, 10000>, kRequired},
    {"actionID", &kString<1, 64, kActionIdPattern>, kRequired},
    {"documentVersion", &kString<kNone, kNone, kDocumentVersionPattern>},
    {"active", &kBool},
    {"timeoutSeconds", &kInteger<1, kNone>},
    {"mustSucceedForCutover", &kBool},
    {"parameters", &kMap<kString<1, 1011, kParameterKeyPattern>,
                         kList<kSsmParameterStoreParameter, 0, 10>, 0, 20>},
    {"externalParameters",
     &kMap<kString<1, 1011, kParameterKeyPattern>, kSsmExternalParameter, 0, 20>, kNewer},
    {"description", &kString<0, 256, kActionTextPattern>, kNewer},
    {"category", &kActionCategory, kNewer},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kListSourceServerActionsIn[] = {
    {"sourceServerID", &kServerId, kRequired}, {"filters", &kSourceServerActionsRequestFilters},
    {"maxResults", &kInteger<1, 1000>},        {"nextToken", &kPageToken},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kRemoveSourceServerActionIn[] = {
    {"sourceServerID", &kServerId, kRequired},
    {"actionID", &kString<1, 64, kActionIdPattern>, kRequired},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kPutTemplateActionIn[] = {
    {"launchConfigurationTemplateID", &kLaunchTemplateId, kRequired},
    {"actionName", &kString<0, 256>, kRequired},
    {"documentIdentifier", &kString<0, 256>, kRequired},
    {"order", &kInteger<1001, 10000>, kRequired},
    {"actionID", &kString<1, 64, kActionIdPattern>, kRequired},
    {"documentVersion", &kString<kNone, kNone, kDocumentVersionPattern>},
    {"active", &kBool},
    {"timeoutSeconds", &kInteger<1, kNone>},
    {"mustSucceedForCutover", &kBool},
    {"parameters", &kMap<kString<1, 1011, kParameterKeyPattern>,
                         kList<kSsmParameterStoreParameter, 0, 10>, 0, 20>},
    {"operatingSystem", &kString<kNone, kNone, kPlatformPattern>},
    {"externalParameters",
     &kMap<kString<1, 1011, kParameterKeyPattern>, kSsmExternalParameter, 0, 20>, kNewer},
    {"description", &kString<0, 256, kActionTextPattern>, kNewer},
    {"category", &kActionCategory, kNewer},
};
constexpr Member kListTemplateActionsIn[] = {
    {"launchConfigurationTemplateID", &kLaunchTemplateId, kRequired},
    {"filters", &kTemplateActionsRequestFilters},
    {"maxResults", &kInteger<1, 1000>},
    {"nextToken", &kPageToken},
};
constexpr Member kRemoveTemplateActionIn[] = {
    {"launchConfigurationTemplateID", &kLaunchTemplateId, kRequired},
    {"actionID", &kString<1, 64, kActionIdPattern>, kRequired},
};

constexpr Operation kOperations[] = {
    {"PutSourceServerAction", "POST", "/PutSourceServerAction", 200, kPutSourceServerActionIn,
     &kSourceServerActionDocument, kUninitialized | kNotFound | kValidation | kConflict, 2022},
    {"ListSourceServerActions", "POST", "/ListSourceServerActions", 200, kListSourceServerActionsIn,
     &kPage<kSourceServerActionDocument, 0, 100>, kUninitialized | kNotFound, 2022},
    {"RemoveSourceServerAction", "POST", "/RemoveSourceServerAction", 204,
     kRemoveSourceServerActionIn, nullptr, kUninitialized | kNotFound | kValidation, 2022},
    {"PutTemplateAction", "POST", "/PutTemplateAction", 200, kPutTemplateActionIn,
     &kTemplateActionDocument, kUninitialized | kNotFound | kValidation | kConflict, 2022},
    {"ListTemplateActions", "POST", "/ListTemplateActions", 200, kListTemplateActionsIn,
     &kPage<kTemplateActionDocument, 0, 100>, kUninitialized | kNotFound, 2022},
    {"RemoveTemplateAction", "POST", "/RemoveTemplateAction", 204, kRemoveTemplateActionIn, nullptr,
     kUninitialized | kNotFound | kValidation, 2022},
};

}  // namespace

std::span<const Operation> ActionsOperations() { return kOperations; }

}  // namespace godwit::gateway::mgn

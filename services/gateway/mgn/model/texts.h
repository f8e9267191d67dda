// Ids, times and texts of the MGN API.
#pragma once

#include "services/gateway/mgn/model/shape.h"

namespace godwit::gateway::mgn {

inline constexpr char kNoBlankEnds[] = R"([^\s\x00]( *[^\s\x00])*)";
inline constexpr char kNoNul[] = R"([^\x00]*)";
inline constexpr char kSubnetPattern[] = R"(subnet-[0-9a-fA-F]{8,})";
inline constexpr char kSecurityGroupPattern[] = R"(sg-[0-9a-fA-F]{8,})";
inline constexpr char kActionIdPattern[] = R"(.*[0-9a-zA-Z])";
inline constexpr char kDocumentVersionPattern[] = R"((\$DEFAULT|\$LATEST|[0-9]+))";
inline constexpr char kPlatformPattern[] = R"((linux|windows))";
inline constexpr char kParameterKeyPattern[] = R"(([A-Za-z0-9])+)";
inline constexpr char kActionTextPattern[] = R"([0-9a-zA-Z ():/.,'-_#*; ]*)";
inline constexpr char kConnectorNamePattern[] = R"([A-Za-z0-9_-]+)";
inline constexpr char kBucketPattern[] = R"([a-zA-Z0-9.\-_]{1,255})";
// {1,1020}; RE2 counts to 1000.
inline constexpr char kCsvKeyPattern[] = R"([^\x00]{1,1000}[^\x00]{0,20}\.csv)";
inline constexpr char kLogGroupPattern[] = R"([\.\-_/#A-Za-z0-9]+)";
inline constexpr char kInstancePattern[] = R"(i-[0-9a-fA-F]{8,})";
inline constexpr char kReplicatorPattern[] = R"(i-[0-9a-zA-Z]{17})";
inline constexpr char kLaunchTemplatePattern[] = R"(lt-[0-9a-z]{17})";
inline constexpr char kSvmPattern[] = R"((svm-[0-9a-f]{17,}))";
inline constexpr char kDocumentNamePattern[] = R"(([A-Za-z0-9/:_\.-])+)";
inline constexpr char kDynamicPathPattern[] = R"([a-zA-Z0-9_]+(\.[a-zA-Z0-9_\[\]]+)*)";
inline constexpr char kParameterNamePattern[] = R"(([A-Za-z0-9_\.-])+)";

inline constexpr char kServerIdPattern[] = "s-[0-9a-zA-Z]{17}";
inline constexpr Shape kServerId = kString<19, 19, kServerIdPattern>;
inline constexpr char kJobIdPattern[] = "mgnjob-[0-9a-zA-Z]{17}";
inline constexpr Shape kJobId = kString<24, 24, kJobIdPattern>;
inline constexpr char kApplicationIdPattern[] = "app-[0-9a-zA-Z]{17}";
inline constexpr Shape kApplicationId = kString<21, 21, kApplicationIdPattern>;
inline constexpr char kWaveIdPattern[] = "wave-[0-9a-zA-Z]{17}";
inline constexpr Shape kWaveId = kString<22, 22, kWaveIdPattern>;
inline constexpr char kReplicationTemplateIdPattern[] = "rct-[0-9a-zA-Z]{17}";
inline constexpr Shape kReplicationTemplateId = kString<21, 21, kReplicationTemplateIdPattern>;
inline constexpr char kLaunchTemplateIdPattern[] = "lct-[0-9a-zA-Z]{17}";
inline constexpr Shape kLaunchTemplateId = kString<21, 21, kLaunchTemplateIdPattern>;
inline constexpr char kVcenterClientIdPattern[] = "vcc-[0-9a-zA-Z]{17}";
inline constexpr Shape kVcenterClientId = kString<21, 21, kVcenterClientIdPattern>;
inline constexpr char kConnectorIdPattern[] = "connector-[0-9a-zA-Z]{17}";
inline constexpr Shape kConnectorId = kString<27, 27, kConnectorIdPattern>;
inline constexpr char kImportIdPattern[] = "import-[0-9a-zA-Z]{17}";
inline constexpr Shape kImportId = kString<24, 24, kImportIdPattern>;
inline constexpr char kExportIdPattern[] = "export-[0-9a-zA-Z]{17}";
inline constexpr Shape kExportId = kString<24, 24, kExportIdPattern>;

inline constexpr char kTimePattern[] =
    "[1-9][0-9]*-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([0-1][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    R"((\.[0-9]+)?Z)";
inline constexpr Shape kTime = kString<19, 32, kTimePattern>;
inline constexpr Shape kDuration = kString<1, 64>;
inline constexpr Shape kArn = kString<20, 2048>;
inline constexpr char kAccountIdPattern[] = "[0-9]{12,}";
inline constexpr Shape kAccountId = kString<12, 12, kAccountIdPattern>;
inline constexpr Shape kPageToken = kString<0, 2048>;
inline constexpr Shape kTagsMap = kMap<kString<0, 256>, kString<0, 256>, 0, 50>;

// The answer of an operation that lists.
template <const Shape& kItem, std::int64_t kLeast = kNone, std::int64_t kMost = kNone>
inline constexpr Member kPageMembers[] = {{"items", &kList<kItem, kLeast, kMost>},
                                          {"nextToken", &kPageToken}};
template <const Shape& kItem, std::int64_t kLeast = kNone, std::int64_t kMost = kNone>
inline constexpr Shape kPage = Structure(kPageMembers<kItem, kLeast, kMost>);

}  // namespace godwit::gateway::mgn

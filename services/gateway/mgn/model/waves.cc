// Operations of MGN: waves.
#include "services/gateway/mgn/model/group_shapes.h"
#include "services/gateway/mgn/model/tables.h"
#include "services/gateway/mgn/model/texts.h"

namespace godwit::gateway::mgn {

namespace {

constexpr Member kCreateWaveIn[] = {
    {"name", &kString<1, 256, kNoBlankEnds>, kRequired},
    {"description", &kString<0, 600, kNoNul>},
    {"tags", &kTagsMap},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kUpdateWaveIn[] = {
    {"waveID", &kWaveId, kRequired},
    {"name", &kString<1, 256, kNoBlankEnds>},
    {"description", &kString<0, 600, kNoNul>},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kListWavesIn[] = {
    {"filters", &kListWavesRequestFilters},
    {"maxResults", &kInteger<1, 1000>},
    {"nextToken", &kPageToken},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kDeleteWaveIn[] = {
    {"waveID", &kWaveId, kRequired},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kArchiveWaveIn[] = {
    {"waveID", &kWaveId, kRequired},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kUnarchiveWaveIn[] = {
    {"waveID", &kWaveId, kRequired},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kAssociateApplicationsIn[] = {
    {"waveID", &kWaveId, kRequired},
    {"applicationIDs", &kList<kApplicationId, 1, 50>, kRequired},
    {"accountID", &kAccountId, kNewer},
};
constexpr Member kDisassociateApplicationsIn[] = {
    {"waveID", &kWaveId, kRequired},
    {"applicationIDs", &kList<kApplicationId, 1, 50>, kRequired},
    {"accountID", &kAccountId, kNewer},
};

constexpr Operation kOperations[] = {
    {"CreateWave", "POST", "/CreateWave", 201, kCreateWaveIn, &kWave,
     kUninitialized | kQuota | kConflict, 2022},
    {"UpdateWave", "POST", "/UpdateWave", 200, kUpdateWaveIn, &kWave,
     kUninitialized | kNotFound | kConflict, 2022},
    {"ListWaves", "POST", "/ListWaves", 200, kListWavesIn, &kPage<kWave>, kUninitialized, 2022},
    {"DeleteWave", "POST", "/DeleteWave", 204, kDeleteWaveIn, nullptr,
     kUninitialized | kNotFound | kConflict, 2022},
    {"ArchiveWave", "POST", "/ArchiveWave", 200, kArchiveWaveIn, &kWave,
     kUninitialized | kNotFound | kQuota | kConflict, 2022},
    {"UnarchiveWave", "POST", "/UnarchiveWave", 200, kUnarchiveWaveIn, &kWave,
     kUninitialized | kNotFound | kQuota, 2022},
    {"AssociateApplications", "POST", "/AssociateApplications", 200, kAssociateApplicationsIn,
     nullptr, kUninitialized | kNotFound | kQuota | kConflict, 2022},
    {"DisassociateApplications", "POST", "/DisassociateApplications", 200,
     kDisassociateApplicationsIn, nullptr, kUninitialized | kNotFound | kConflict, 2022},
};

}  // namespace

std::span<const Operation> WavesOperations() { return kOperations; }

}  // namespace godwit::gateway::mgn

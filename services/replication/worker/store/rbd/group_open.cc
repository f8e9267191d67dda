// How a group is taken: the former writer is cut off, then claim, manifest, images, redo log.
#include <algorithm>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/ids.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/replication/worker/store/manifest.h"
#include "services/replication/worker/store/rbd/group.h"

namespace godwit::store::rbd {
namespace pb = ::godwit::replication::v1;

namespace {

constexpr int kFormat = 1;
constexpr int kMaxClaims = 10;
// Instead of an address: nobody has it.
constexpr char kNobody[] = "-";
constexpr char kUnfenced[] = "1 - unfenced";

struct ParsedClaim {
  std::int64_t generation = 0;
  std::string address;
};

absl::StatusOr<ParsedClaim> ParseClaim(const std::string& text) {
  const std::vector<std::string> words = absl::StrSplit(text, ' ');
  ParsedClaim claim;
  if (words.size() != 3 || !absl::SimpleAtoi(words[0], &claim.generation))
    return absl::DataLossError(absl::StrCat("claim: ", text));
  claim.address = words[1];
  return claim;
}

std::string ClaimOf(std::int64_t generation, const std::string& address) {
  return absl::StrCat(generation, " ", address, " ", NewUuid());
}

absl::StatusOr<pb::RbdManifest> LoadManifest(Cluster& cluster, const std::string& object) {
  ASSIGN_OR_RETURN(const std::string bytes, cluster.Read(object));
  pb::RbdManifest manifest;
  if (!manifest.ParseFromString(bytes)) return absl::DataLossError(object + ": not a manifest");
  if (!bytes.empty() && manifest.format() != kFormat)
    return absl::FailedPreconditionError(object + ": written by another version of Godwit");
  manifest.clear_padding();
  return manifest;
}

// Cuts the present owner off and claims the group; the claim. NOT_FOUND: there is no group.
absl::StatusOr<std::string> TakeClaim(Cluster& cluster, const std::string& object,
                                      std::int64_t generation) {
  for (int i = 0; i < kMaxClaims; ++i) {
    ASSIGN_OR_RETURN(const std::string present, cluster.Guard(object));
    ASSIGN_OR_RETURN(const ParsedClaim parsed, ParseClaim(present));
    if (generation == 0) generation = parsed.generation;
    if (parsed.generation > generation) {
      return absl::AbortedError(absl::StrFormat("lease generation %d is stale: %d is newer",
                                                generation, parsed.generation));
    }
    // From here on nothing more comes from there, and what it did is seen below.
    if (parsed.address != kNobody) RETURN_IF_ERROR(cluster.CutOff(parsed.address));
    const std::string mine = ClaimOf(generation, cluster.address());
    const absl::Status taken = cluster.SetGuard(object, present, mine);
    if (taken.ok()) return mine;
    if (!absl::IsAborted(taken)) return taken;
  }
  return absl::UnavailableError(object + ": others keep claiming it");
}

}  // namespace

std::string GroupObject(const std::string& server) { return absl::StrCat("godwit.group.", server); }

std::string RbdGroup::LogName(std::int64_t number) const {
  return absl::StrCat("godwit.log.", server_, ".", number);
}

absl::StatusOr<std::shared_ptr<RbdGroup>> RbdGroup::Open(const RbdOptions& options,
                                                         const std::string& server,
                                                         std::int64_t generation,
                                                         const std::vector<DiskSpec>& disks) {
  ASSIGN_OR_RETURN(std::unique_ptr<Cluster> cluster, Cluster::Connect(options));
  std::shared_ptr<RbdGroup> group(new RbdGroup(std::move(cluster), server, generation, disks));
  RETURN_IF_ERROR(group->Claim());
  {
    absl::MutexLock lock(&group->mutex_);
    RETURN_IF_ERROR(group->TakeManifest());
    RETURN_IF_ERROR(group->OpenVolumes());
    RETURN_IF_ERROR(group->Recover());
    RETURN_IF_ERROR(group->AdoptDisks());
    group->CountAllocated();
  }
  RETURN_IF_ERROR(group->Reclaim());
  return group;
}

absl::Status RbdGroup::Claim() {
  // For the test of the test: without the fence all writers share one claim.
  if (!GODWIT_FAILPOINT_STATUS("store.fence").ok()) {
    claim_ = kUnfenced;
    const absl::Status made = cluster_->CreateGuarded(object_, claim_);
    return absl::IsAlreadyExists(made) ? absl::OkStatus() : made;
  }
  absl::StatusOr<std::string> taken = TakeClaim(*cluster_, object_, generation_);
  if (absl::IsNotFound(taken.status())) {
    const std::string mine = ClaimOf(generation_, cluster_->address());
    const absl::Status made = cluster_->CreateGuarded(object_, mine);
    if (made.ok()) {
      taken = mine;
    } else if (absl::IsAlreadyExists(made)) {
      taken = TakeClaim(*cluster_, object_, generation_);
    } else {
      return made;
    }
  }
  RETURN_IF_ERROR(taken);
  claim_ = *taken;
  return absl::OkStatus();
}

absl::Status RbdGroup::TakeManifest() {
  ASSIGN_OR_RETURN(manifest_, LoadManifest(*cluster_, object_));
  if (manifest_.removing()) {
    // Its removal was not finished.
    RETURN_IF_ERROR(RemoveAll(claim_));
    RETURN_IF_ERROR(cluster_->CreateGuarded(object_, claim_));
    manifest_.Clear();
  }
  for (const DiskSpec& disk : disks_) {
    for (const pb::RbdDisk& known : manifest_.disks()) {
      if (known.disk_id() != disk.disk_id ||
          static_cast<std::uint64_t>(known.size_bytes()) == disk.size_bytes)
        continue;
      return absl::InvalidArgumentError(
          absl::StrCat("disk ", disk.disk_id, " was ", known.size_bytes(), " bytes, is now ",
                       disk.size_bytes, ": a resized disk needs a new id"));
    }
  }
  manifest_.set_format(kFormat);
  manifest_.set_lease_generation(generation_);
  if (manifest_.replica_id().empty()) manifest_.set_replica_id(NewUuid());
  replica_id_ = manifest_.replica_id();
  return Publish(manifest_);
}

absl::Status RbdGroup::OpenVolumes() {
  std::set<std::string> named;
  for (const pb::RbdPoint& point : manifest_.points())
    named.insert(SnapshotName(point.facts().epoch()));
  for (const pb::RbdDisk& disk : manifest_.disks()) {
    if (disk.last_epoch() != 0) continue;
    const std::int64_t point = disk.first_epoch() == 0 ? 0 : LastPoint();
    ASSIGN_OR_RETURN(std::unique_ptr<Volume> volume, Volume::Open(*cluster_, disk, point));
    // Of points that were not recorded any more.
    ASSIGN_OR_RETURN(const std::vector<std::string> snapshots, volume->image().Snapshots());
    for (const std::string& snapshot : snapshots) {
      if (!named.contains(snapshot)) RETURN_IF_ERROR(volume->image().RemoveSnapshot(snapshot));
    }
    volumes_.push_back(std::move(volume));
  }
  return absl::OkStatus();
}

absl::Status RbdGroup::Recover() {
  committed_ = LastPoint();
  clean_ = committed_ > 0;
  for (const auto& volume : volumes_) clean_ = clean_ && !volume->was_changed();
  if (manifest_.has_interim()) committed_ = manifest_.interim().epoch();
  RETURN_IF_ERROR(RedoLog::Remove(*cluster_, LogName(manifest_.log() - 1)));
  const std::string name = LogName(manifest_.log());
  ASSIGN_OR_RETURN(std::vector<LogRecord> records, RedoLog::Read(*cluster_, name));
  log_ = std::make_unique<RedoLog>(*cluster_, name, /*found=*/!records.empty());
  if (records.empty() && committed_ == LastPoint()) return absl::OkStatus();
  const auto last_commit = std::find_if(records.rbegin(), records.rend(),
                                        [](const LogRecord& each) { return each.has_commit(); });
  const std::vector<LogRecord> later(last_commit.base(), records.end());
  records.erase(last_commit.base(), records.end());
  PointFacts facts = FromStaged(manifest_.interim());
  if (!records.empty()) facts = FromStaged(records.back().commit());
  RETURN_IF_ERROR(Apply(records));
  RETURN_IF_ERROR(AwaitImages());
  // What came after was acknowledged.
  for (const LogRecord& record : later) log_->Add(record);
  logging_ = !later.empty();
  clean_ = true;
  Log(Severity::kInfo, "took over a redo log",
      {{"group", server_}, {"epoch", absl::StrCat(facts.epoch)}});
  if (facts.epoch > LastPoint()) {
    committed_ = facts.epoch;
    return MakePoint(facts).status();
  }
  return PublishWithNewLog(manifest_);
}

absl::Status RbdGroup::AdoptDisks() {
  const auto wanted = [this](const pb::RbdDisk& disk) {
    return disk.last_epoch() == 0 &&
           std::any_of(disks_.begin(), disks_.end(),
                       [&](const DiskSpec& spec) { return spec.disk_id == disk.disk_id(); });
  };
  const auto known = std::count_if(manifest_.disks().begin(), manifest_.disks().end(), wanted);
  // The log goes on from a state of all disks.
  if (logging_ && known < static_cast<std::ptrdiff_t>(disks_.size())) RETURN_IF_ERROR(LeaveLog());
  pb::RbdManifest next = manifest_;
  next.clear_disks();
  for (const DiskSpec& spec : disks_) {
    pb::RbdDisk& disk = *next.add_disks();
    disk.set_image(absl::StrCat("godwit.", server_, ".", spec.disk_id));
    for (const pb::RbdDisk& before : manifest_.disks()) {
      if (before.disk_id() != spec.disk_id) continue;
      if (wanted(before)) {
        disk = before;
        break;
      }
      // It was away for some points: what it is now has nothing to do with what it was.
      disk.set_image(absl::StrCat(before.image(), ".", before.last_epoch()));
    }
    disk.set_disk_id(spec.disk_id);
    disk.set_device_name(spec.device_name);
    disk.set_size_bytes(static_cast<std::int64_t>(spec.size_bytes));
    disk.set_is_boot_disk(spec.is_boot_disk);
  }
  for (const pb::RbdDisk& before : manifest_.disks()) {
    if (wanted(before)) continue;
    pb::RbdDisk& removed = *next.add_disks();
    removed = before;
    // Reclaim() removes it when no point has it.
    if (removed.last_epoch() == 0) removed.set_last_epoch(std::max<std::int64_t>(LastPoint(), 1));
  }
  // Named before they are made: whatever is in the pool has a name in a manifest.
  if (next.SerializeAsString() != manifest_.SerializeAsString()) RETURN_IF_ERROR(Publish(next));
  std::vector<std::unique_ptr<Volume>> volumes;
  for (std::size_t i = 0; i < disks_.size(); ++i) {
    const auto opened = [&](const auto& each) {
      return each != nullptr && each->disk_id() == disks_[i].disk_id;
    };
    const auto found = std::find_if(volumes_.begin(), volumes_.end(), opened);
    if (found != volumes_.end()) {
      volumes.push_back(std::move(*found));
      continue;
    }
    ASSIGN_OR_RETURN(std::unique_ptr<Volume> made,
                     Volume::Open(*cluster_, manifest_.disks(static_cast<int>(i)), /*point=*/0));
    volumes.push_back(std::move(made));
    clean_ = false;
  }
  volumes_ = std::move(volumes);
  return absl::OkStatus();
}

absl::Status RbdGroup::Remove(const RbdOptions& options, const std::string& server) {
  ASSIGN_OR_RETURN(std::unique_ptr<Cluster> cluster, Cluster::Connect(options));
  const std::string object = GroupObject(server);
  const absl::StatusOr<std::string> claim = TakeClaim(*cluster, object, /*generation=*/0);
  if (absl::IsNotFound(claim.status())) return absl::OkStatus();
  RETURN_IF_ERROR(claim);
  RbdGroup group(std::move(cluster), server, 0, {});
  absl::MutexLock lock(&group.mutex_);
  ASSIGN_OR_RETURN(group.manifest_, LoadManifest(*group.cluster_, object));
  return group.RemoveAll(*claim);
}

absl::Status RbdGroup::RemoveAll(const std::string& claim) {
  for (const pb::RbdDisk& disk : manifest_.disks())
    RETURN_IF_ERROR(Image::CheckUnused(*cluster_, disk.image()));
  // Half of a group must never look like one.
  manifest_.set_format(kFormat);
  manifest_.set_removing(true);
  RETURN_IF_ERROR(cluster_->Replace(object_, claim, manifest_.SerializeAsString()));
  for (const pb::RbdDisk& disk : manifest_.disks())
    RETURN_IF_ERROR(Volume::Remove(*cluster_, disk));
  for (std::int64_t log = manifest_.log() - 1; log <= manifest_.log() + 1; ++log)
    RETURN_IF_ERROR(RedoLog::Remove(*cluster_, LogName(log)));
  for (const pb::RbdClone& clone : manifest_.clones()) RemoveOverlays(clone.folder());
  return cluster_->RemoveGuarded(object_, claim);
}

// Gives the claim back, so that the next owner need not cut a connection off that is gone.
RbdGroup::~RbdGroup() {
  absl::MutexLock lock(&mutex_);
  const bool whole = broken_.ok() && AwaitImages().ok();
  volumes_.clear();
  if (whole && !claim_.empty() && claim_ != kUnfenced) {
    // At worst a connection is cut off that there is no more.
    cluster_->SetGuard(object_, claim_, ClaimOf(generation_, kNobody)).IgnoreError();
  }
}

}  // namespace godwit::store::rbd

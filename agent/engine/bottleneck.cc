#include "agent/engine/bottleneck.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace godwit::agent {
namespace {

using replication::v1::Bottleneck;

constexpr int kWorthSaying = 200;  // permille
constexpr int kWorthShowing = 10;

const char* ActionFor(Bottleneck::Stage stage) {
  switch (stage) {
    case Bottleneck::SOURCE_READ:
      return "the disk of the source is read as fast as it goes: replicate while it is less busy";
    case Bottleneck::SOURCE_CPU:
      return "the source's processor is busy with hashing, compression and encryption: give it "
             "more of it";
    case Bottleneck::LINK:
      return "the line to the worker is full: more bandwidth, or a worker nearer to the source";
    case Bottleneck::WORKER_CPU:
      return "the worker's processors are busy checking what comes: give it more of them, or move "
             "servers to another worker";
    case Bottleneck::WORKER_DISK:
      return "the worker's store is written as fast as it goes: move servers to another worker, or "
             "give it faster disks";
    case Bottleneck::WORKER_SYNC:
      return "the worker's store makes data durable slowly: give it disks with a protected write "
             "cache, or fewer servers";
    case Bottleneck::WORKER_SHARE:
      return "other servers have their turn at the worker: move servers to another worker, or "
             "raise this one's share weight";
    case Bottleneck::DATABASE:
      return "points wait for the coordinator's database: look at its disk and its load";
    case Bottleneck::THROTTLE:
      return "raise the bandwidth limit of the server or of its worker";
    default:
      return "";
  }
}

}  // namespace

WorkerWork& WorkerWork::operator+=(const WorkerWork& other) {
  verify += other.verify;
  write += other.write;
  sync += other.sync;
  turn += other.turn;
  limit += other.limit;
  database += other.database;
  return *this;
}

Bottleneck NameBottleneck(const StageTimes& times) {
  auto spent = times.own;
  if (!times.work) {
    spent[Bottleneck::LINK] += times.line;
    spent[Bottleneck::WORKER_DISK] += times.worker;
  } else {
    const WorkerWork& work = *times.work;
    const absl::Duration waited = times.line + times.worker, total = work.total();
    const absl::Duration explained = std::min(waited, total);
    spent[Bottleneck::LINK] += waited - explained;
    if (total > absl::ZeroDuration()) {
      const double share = absl::FDivDuration(explained, total);
      spent[Bottleneck::WORKER_CPU] += work.verify * share;
      spent[Bottleneck::WORKER_DISK] += work.write * share;
      spent[Bottleneck::WORKER_SYNC] += work.sync * share;
      spent[Bottleneck::WORKER_SHARE] += work.turn * share;
      spent[Bottleneck::THROTTLE] += work.limit * share;
    }
    // Nobody waits for it, but points come late.
    spent[Bottleneck::DATABASE] += work.database;
  }
  std::vector<std::pair<int, Bottleneck::Stage>> shares;
  for (std::size_t i = 0; i < spent.size(); ++i) {
    const double share = std::min(1.0, absl::FDivDuration(spent[i], times.elapsed));
    shares.emplace_back(static_cast<int>(share * 1000), static_cast<Bottleneck::Stage>(i));
  }
  std::stable_sort(shares.begin(), shares.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  Bottleneck out;
  for (const auto& [permille, stage] : shares) {
    if (permille < kWorthShowing) break;
    out.add_shares()->set_stage(stage);
    out.mutable_shares(out.shares_size() - 1)->set_permille(permille);
  }
  if (shares.front().first < kWorthSaying) {
    out.set_stage(Bottleneck::IDLE);
  } else {
    out.set_stage(shares.front().second);
    out.set_busy_permille(shares.front().first);
    out.set_action(ActionFor(out.stage()));
  }
  return out;
}

}  // namespace godwit::agent

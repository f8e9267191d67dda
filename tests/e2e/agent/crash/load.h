// What an application does to the disks while points are taken, and what it was promised meanwhile:
// every entry of a Ledger says when a change was begun and when its end was acknowledged.
#pragma once

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "tests/e2e/agent/crash/postgres.h"

namespace godwit::testing {

struct Promise {
  std::int64_t number = 0;  // from 1, without gaps
  absl::Time begun, acknowledged;
};

// Thread-safe.
class Ledger {
 public:
  void Add(const Promise& promise);
  // The newest number that was acknowledged before `time`; 0: none.
  std::int64_t AcknowledgedBefore(absl::Time time) const {
    return NewestBefore(&Promise::acknowledged, time);
  }
  // The newest number that was begun before `time`; 0: none.
  std::int64_t BegunBefore(absl::Time time) const { return NewestBefore(&Promise::begun, time); }

 private:
  std::int64_t NewestBefore(absl::Time Promise::*moment, absl::Time time) const;

  mutable absl::Mutex mutex_;
  std::vector<Promise> promises_ ABSL_GUARDED_BY(mutex_);
};

// pgbench, one connection that commits growing numbers to a table, and a thread that replaces files
// (write, fsync, rename, fsync of the folder) and makes and removes others.
class Load {
 public:
  static constexpr int kFiles = 16;

  // `files`: an existing folder.
  Load(PostgresPlace place, std::string files);
  ~Load() { Stop().IgnoreError(); }
  // The tables.
  absl::Status Prepare();
  absl::Status Start(unsigned seed);
  // The first thing that went wrong.
  absl::Status Stop();

  const Ledger& commits() const { return commits_; }
  // Versions of the file of that index.
  const Ledger& file(int index) const { return files_ledgers_[static_cast<std::size_t>(index)]; }

  static std::string FileName(int index);
  // The content of a version tells whether it is whole.
  static std::string FileContent(int index, std::int64_t version);

 private:
  absl::Status RunPgbench(const std::vector<std::string>& options, absl::Duration patience);
  absl::Status Commit();
  absl::Status ReplaceFiles(unsigned seed);
  void Note(const absl::Status& status);

  const PostgresPlace place_;
  const std::string folder_;
  Process pgbench_;
  std::atomic<bool> stopping_ = false;
  Ledger commits_;
  std::vector<Ledger> files_ledgers_{kFiles};
  std::vector<std::thread> threads_;
  absl::Mutex mutex_;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace godwit::testing

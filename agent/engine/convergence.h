// Whether sending catches up with what the source writes, and when. Predicted from rates, before
// anything fails: what is noted to be sent (marked blocks, captured writes) against what is sent.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "absl/time/time.h"

namespace godwit::agent {

// Samples are taken when the backlog is known, however far that is apart. Not thread-safe.
class Convergence {
 public:
  struct Options {
    // Sending must have fallen behind for so long before it is said.
    absl::Duration patience = absl::Seconds(30);
    // And must catch up for so long before it is no longer said.
    absl::Duration calm = absl::Seconds(10);
    // A smaller backlog is none, nor is what is sent in 5 s.
    std::int64_t least_bytes = std::int64_t{16} << 20;
  };
  struct Sample {
    absl::Duration at;              // monotonic
    std::int64_t backlog_bytes;     // noted and not sent
    std::int64_t noted_bytes;       // since whenever
    std::int64_t sent_bytes;        // before compression, since whenever
    std::int64_t limit_per_second;  // that the settings set; 0: none
  };
  struct Verdict {
    bool not_converging = false;
    std::int64_t changed_per_second = 0, sent_per_second = 0;
    // Until what is noted is sent, at present rates; nullopt: not known, or never.
    std::optional<absl::Duration> converges_in;
    // With not_converging: the figures and what would help.
    std::string text;
  };

  explicit Convergence(Options options) : options_(options) {}

  // Samples that follow each other within a quarter of a second are left out; so the answer may be
  // the one before.
  const Verdict& Look(const Sample& sample);
  const Verdict& verdict() const { return verdict_; }
  // Nothing is sent now, for reasons of its own (no connection, a pause, comparing): rates mean
  // nothing.
  void Reset();

 private:
  // Rates from the first sample that is not older than `span`; false: the samples do not reach back
  // so far.
  struct Rates {
    double changed, sent, shrinks;  // bytes a second
    std::int64_t least_backlog;
  };
  static bool FallsBehind(const Rates& rates);
  std::optional<Rates> Over(absl::Duration span) const;
  std::string Text(const Rates& rates, std::int64_t limit) const;

  const Options options_;
  std::deque<Sample> samples_;
  Verdict verdict_;
};

}  // namespace godwit::agent

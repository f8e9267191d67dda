// Finds out that the eBPF program was not shown a completion: kernels were seen to pass over a
// tracepoint's programs, about once in 50,000 completions, without counting a miss.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "agent/tracker/dirty_layout.h"

namespace godwit::agent {

// Compares the program's counts of issued and completed requests with what the kernel says is under
// way. Not thread-safe.
class CompletionAudit {
 public:
  // `meta` is the program's and outlives the object; `in_flight` a file like
  // /sys/dev/block/M:m/inflight ("reads writes"); where it cannot be read nothing is ever missed.
  CompletionAudit(volatile godwit_meta* meta, std::string in_flight)
      : meta_(meta), in_flight_(std::move(in_flight)) {}

  // True when completions were missed since the last call. While requests are ending a single look
  // is not certain: `exact` looks for up to 50 ms until it is; without it later calls decide.
  bool Missed(bool exact);

 private:
  // So many completions are missing, or fewer; nullopt: nothing is known yet.
  std::optional<std::int64_t> AtMostMissing();

  volatile godwit_meta* const meta_;
  const std::string in_flight_;
  // The looks in a row that were not sure of zero.
  absl::Time since_;
  int looks_ = 0;
  std::int64_t smallest_ = 0;
};

}  // namespace godwit::agent

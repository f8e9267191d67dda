#include "agent/discovery/measured_use.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>

namespace godwit::agent {
using google::protobuf::util::TimeUtil;

void AddUse(const UseSummary& use, registry::v1::SourceProperties* properties) {
  if (use.sample_count == 0) return;
  int count = 0;
  for (const auto& cpu : properties->cpus()) count += cpu.core_count();
  const auto cores = [&](double value) {
    return count > 0 ? std::min<double>(value, count) : value;
  };
  const auto memory = [&](std::int64_t bytes) {
    return properties->ram_bytes() > 0 ? std::min(bytes, properties->ram_bytes()) : bytes;
  };
  registry::v1::MeasuredUse* out = properties->mutable_use();
  *out->mutable_start_time() = TimeUtil::TimeTToTimestamp(absl::ToTimeT(use.start_time));
  *out->mutable_end_time() = TimeUtil::TimeTToTimestamp(absl::ToTimeT(use.end_time));
  out->set_sample_count(use.sample_count);
  out->set_mean_cores(cores(use.mean_cores));
  out->set_p95_cores(cores(use.p95_cores));
  out->set_peak_cores(cores(use.peak_cores));
  out->set_p95_memory_bytes(memory(use.p95_memory_bytes));
  out->set_peak_memory_bytes(memory(use.peak_memory_bytes));
}

}  // namespace godwit::agent

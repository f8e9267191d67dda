#include "agent/use/use_meter.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {
namespace {

// Room for the lines of more CPUs than there are.
constexpr std::size_t kBuffer = 256 * 1024;
constexpr double kLeastCores = 1.0 / 64, kLeastMemory = 1 << 20;
// 200 TiB of memory, and a time in the year 8307.
constexpr double kMostAmount = 2e14;
constexpr std::size_t kMaxState = 64 * 1024;
// Four weeks: from then on older samples weigh half, again and again.
constexpr std::int64_t kMostSamples = 4 * 7 * 24 * 60;

nlohmann::json ToJson(const Histogram& histogram) {
  nlohmann::json out = nlohmann::json::array();
  for (int step = 0; step < Histogram::kSteps; ++step) {
    const std::int64_t count = histogram.steps()[static_cast<std::size_t>(step)];
    if (count > 0) out.push_back({step, count});
  }
  return out;
}

bool FromJson(const nlohmann::json& json, Histogram* histogram) {
  if (!json.is_array()) return false;
  for (const auto& pair : json) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number_integer() ||
        !pair[1].is_number_integer() ||
        !histogram->Restore(pair[0].get<std::int64_t>(), pair[1].get<std::int64_t>()))
      return false;
  }
  return true;
}

bool IsAmount(const nlohmann::json& json, const char* key) {
  return json.contains(key) && json[key].is_number() && json[key].get<double>() >= 0 &&
         json[key].get<double>() <= kMostAmount;
}

}  // namespace

UseMeter::UseMeter(Options options, absl::Time now)
    : options_(std::move(options)),
      buffer_(kBuffer, '\0'),
      next_reading_(now),
      last_tick_(now),
      next_save_(now + options_.save),
      cores_(kLeastCores),
      memory_(kLeastMemory) {
  Reset();
  Load();
}

void UseMeter::Reset() {
  core_count_ = 0;
  start_time_ = end_time_ = absl::UnixEpoch();
  sum_cores_ = peak_cores_ = 0;
  peak_memory_ = 0;
  cores_ = Histogram(kLeastCores);
  memory_ = Histogram(kLeastMemory);
}

void UseMeter::Load() {
  const absl::StatusOr<std::string> text = ReadFile(options_.state_path, kMaxState);
  if (!text.ok()) return;
  const auto json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return;
  for (const char* key :
       {"core_count", "start_ms", "end_ms", "sum_cores", "peak_cores", "peak_memory_bytes"}) {
    if (!IsAmount(json, key)) return;
  }
  if (!json.contains("cores") || !json.contains("memory") || !FromJson(json["cores"], &cores_) ||
      !FromJson(json["memory"], &memory_) || cores_.count() == 0 || memory_.count() == 0) {
    Reset();
    return;
  }
  core_count_ = static_cast<int>(std::min(json["core_count"].get<double>(), 1e6));
  start_time_ = absl::FromUnixMillis(json["start_ms"].get<std::int64_t>());
  end_time_ = absl::FromUnixMillis(json["end_ms"].get<std::int64_t>());
  sum_cores_ = json["sum_cores"].get<double>();
  peak_cores_ = json["peak_cores"].get<double>();
  peak_memory_ = json["peak_memory_bytes"].get<std::int64_t>();
}

absl::Status UseMeter::Save() {
  if (saved_) return absl::OkStatus();
  const nlohmann::json json = {{"core_count", core_count_},
                               {"start_ms", absl::ToUnixMillis(start_time_)},
                               {"end_ms", absl::ToUnixMillis(end_time_)},
                               {"sum_cores", sum_cores_},
                               {"peak_cores", peak_cores_},
                               {"peak_memory_bytes", peak_memory_},
                               {"cores", ToJson(cores_)},
                               {"memory", ToJson(memory_)}};
  RETURN_IF_ERROR(WriteFileAtomically(options_.state_path, json.dump() + "\n"));
  saved_ = true;
  return absl::OkStatus();
}

absl::Status UseMeter::ReadMemory() {
  ASSIGN_OR_RETURN(const absl::string_view text, ReadHead(options_.proc + "/meminfo", &buffer_));
  ASSIGN_OR_RETURN(const MemoryUse use, ParseMemoryUse(text));
  if (peak_memory_ > use.total_bytes) Reset();
  sample_memory_ = std::max(sample_memory_, use.used_bytes);
  return absl::OkStatus();
}

absl::Status UseMeter::BeginSample(absl::Time now) {
  in_sample_ = false;
  sample_memory_ = 0;
  ASSIGN_OR_RETURN(const absl::string_view text, ReadHead(options_.proc + "/stat", &buffer_));
  ASSIGN_OR_RETURN(begin_, ParseCpuTimes(text));
  RETURN_IF_ERROR(ReadMemory());
  if (core_count_ != begin_.core_count) Reset();
  core_count_ = begin_.core_count;
  sample_begin_ = now;
  in_sample_ = true;
  return absl::OkStatus();
}

absl::Status UseMeter::EndSample(absl::Time now) {
  ASSIGN_OR_RETURN(const absl::string_view text, ReadHead(options_.proc + "/stat", &buffer_));
  ASSIGN_OR_RETURN(const CpuTimes end, ParseCpuTimes(text));
  const std::int64_t busy = end.busy - begin_.busy, idle = end.idle - begin_.idle;
  // Counters go back when a CPU leaves, and some kernels' idle times do by themselves.
  if (end.core_count != begin_.core_count || busy < 0 || idle < 0 || busy + idle == 0)
    return absl::OkStatus();
  const double cores =
      end.core_count * static_cast<double>(busy) / static_cast<double>(busy + idle);
  if (cores_.count() == 0) start_time_ = sample_begin_;
  end_time_ = now;
  if (cores_.count() >= kMostSamples) {
    // What rounding loses is lost to both in the same way, or the mean would drift.
    sum_cores_ /= static_cast<double>(cores_.count());
    cores_.Halve();
    memory_.Halve();
    sum_cores_ *= static_cast<double>(cores_.count());
  }
  sum_cores_ += cores;
  peak_cores_ = std::max(peak_cores_, cores);
  peak_memory_ = std::max(peak_memory_, sample_memory_);
  cores_.Add(cores);
  memory_.Add(static_cast<double>(sample_memory_));
  saved_ = false;
  return absl::OkStatus();
}

absl::Status UseMeter::Tick(absl::Time now) {
  if (now < last_tick_ || now - last_tick_ > options_.sample) {
    in_sample_ = false;
    next_reading_ = now;
    next_save_ = now + options_.save;
  }
  last_tick_ = now;
  if (now < next_reading_) return absl::OkStatus();
  next_reading_ = now + options_.reading;
  if (in_sample_) {
    RETURN_IF_ERROR(ReadMemory());
    if (now - sample_begin_ < options_.sample) return absl::OkStatus();
    RETURN_IF_ERROR(EndSample(now));
  }
  RETURN_IF_ERROR(BeginSample(now));
  if (now < next_save_) return absl::OkStatus();
  next_save_ = now + options_.save;
  return Save();
}

UseSummary UseMeter::Summary() const {
  // Clocks are set back.
  UseSummary out{.start_time = std::min(start_time_, end_time_),
                 .end_time = end_time_,
                 .sample_count = cores_.count()};
  if (out.sample_count == 0) return out;
  out.peak_cores = peak_cores_;
  out.mean_cores = std::min(sum_cores_ / static_cast<double>(out.sample_count), peak_cores_);
  out.p95_cores = std::min(cores_.Quantile(0.95), peak_cores_);
  out.peak_memory_bytes = peak_memory_;
  out.p95_memory_bytes =
      std::min(static_cast<std::int64_t>(std::llround(memory_.Quantile(0.95))), peak_memory_);
  return out;
}

}  // namespace godwit::agent

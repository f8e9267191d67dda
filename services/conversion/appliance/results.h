// Lines that come out of the appliance.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "godwit/conversion/v1/conversion_service.pb.h"

namespace godwit::conversion {

// Takes bytes as they arrive. Not trusted: the whole is bounded, lines that are no JSON objects of
// a known kind are ignored.
class ResultReader {
 public:
  explicit ResultReader(std::function<void(const std::string&)> progress)
      : progress_(std::move(progress)) {}
  // RESOURCE_EXHAUSTED when more comes than any conversion has to say.
  absl::Status Take(absl::string_view bytes);
  // The last result: OK and the output fields in *task, or what the converter says of its failure.
  // INTERNAL: there was none.
  absl::Status Result(conversion::v1::ConversionTask* task) const;
  // The size that the boot disk must have for the conversion; 0: it has it. As the appliance says.
  std::uint64_t BootDiskBytes() const;

 private:
  void Line(const std::string& line);
  const std::function<void(const std::string&)> progress_;
  std::string pending_, result_;
  std::size_t total_ = 0;
};

}  // namespace godwit::conversion

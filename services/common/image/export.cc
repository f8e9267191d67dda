#include "services/common/image/export.h"

#include <unistd.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/command.h"
#include "services/common/base/status_macros.h"
#include "services/common/crypt/qemu_image.h"

namespace godwit::image {
namespace {

using nlohmann::json;

// The number of the last "(12.34/100%)" of what qemu-img -p wrote, 0 to 1.
std::optional<double> LastPart(absl::string_view output) {
  const std::size_t end = output.rfind("/100%)");
  if (end == absl::string_view::npos) return std::nullopt;
  const std::size_t begin = output.rfind('(', end);
  double percent = 0;
  if (begin == absl::string_view::npos ||
      !absl::SimpleAtod(output.substr(begin + 1, end - begin - 1), &percent)) {
    return std::nullopt;
  }
  return percent / 100;
}

// An image that is read, as words of a command line. Formats are named, never probed: a probe would
// let the guest's first bytes choose.
struct Source {
  crypt::QemuImage image;
  int secret = -1;
  std::vector<std::string> object;  // --object and the secret
  std::string name;                 // a URL that names all formats
};

absl::StatusOr<Source> OpenSource(const std::string& path, const CopyOptions& options) {
  ASSIGN_OR_RETURN(crypt::QemuImage image, crypt::QemuImage::Open(path, options.master_key_file));
  Source source{.image = std::move(image)};
  ASSIGN_OR_RETURN(source.secret, source.image.SecretFd());
  ASSIGN_OR_RETURN(source.object, source.image.SecretArguments("--object"));
  source.name = source.image.Url();
  return source;
}

std::string UrlOf(const std::string& path, const ImageFormat& format) {
  return absl::StrCat(
      "json:", json({{"driver", format.driver}, {"file", {{"driver", "file"}, {"filename", path}}}})
                   .dump(-1, ' ', false, json::error_handler_t::replace));
}

// Runs qemu-img and gives its output; `begin` and `share` say which part of the whole this is.
absl::StatusOr<std::string> QemuImg(std::vector<std::string> words, const Source* source,
                                    const CopyOptions& options, double begin = 0,
                                    double share = 0) {
  words.insert(words.begin(), "qemu-img");
  if (source != nullptr)
    words.insert(words.begin() + 2, source->object.begin(), source->object.end());
  const auto ran =
      RunCommand(words, options.timeout, options.check, source == nullptr ? -1 : source->secret,
                 [&](absl::string_view output) {
                   const std::optional<double> part = LastPart(output);
                   if (part && options.progress) options.progress(begin + share * *part);
                 });
  if (absl::IsNotFound(ran.status()))
    return absl::FailedPreconditionError("qemu-img is needed: install the package qemu-utils");
  RETURN_IF_ERROR(ran.status());
  if (ran->exit_code == 0) return ran->output;
  // Progress ends in carriage returns; what went wrong stands behind the last.
  const std::string said =
      absl::StrCat("qemu-img ", words[1], ": ", ran->output.substr(ran->output.rfind('\r') + 1));
  return absl::StrContains(said, "No space left on device") ? absl::ResourceExhaustedError(said)
                                                            : absl::InternalError(said);
}

absl::Status Write(const Source& source, const std::string& to, const ImageFormat& format,
                   const CopyOptions& options, double share) {
  std::vector<std::string> words = {"convert", "-p", "-O", format.driver};
  if (*format.options != 0) words.insert(words.end(), {"-o", format.options});
  words.insert(words.end(), {source.name, to});
  return QemuImg(words, &source, options, 0, share).status();
}

absl::Status Prove(const Source& source, const std::string& to, const ImageFormat& format,
                   const CopyOptions& options, double begin) {
  if (format.can_check)
    RETURN_IF_ERROR(QemuImg({"check", "-f", format.driver, to}, nullptr, options).status());
  return QemuImg({"compare", "-p", source.name, UrlOf(to, format)}, &source, options, begin,
                 1 - begin)
      .status();
}

}  // namespace

absl::Status CopyImage(const std::string& from, const std::string& to, const ImageFormat& format,
                       const CopyOptions& options) {
  ASSIGN_OR_RETURN(const Source source, OpenSource(from, options));
  const absl::Status written = Write(source, to, format, options, /*share=*/1);
  if (!written.ok()) unlink(to.c_str());
  return written;
}

absl::Status ExportImage(const std::string& from, const std::string& to, const ImageFormat& format,
                         const CopyOptions& options) {
  ASSIGN_OR_RETURN(const Source source, OpenSource(from, options));
  absl::Status done = Write(source, to, format, options, /*share=*/0.5);
  if (done.ok()) done = Prove(source, to, format, options, /*begin=*/0.5);
  if (!done.ok()) unlink(to.c_str());
  return done;
}

absl::StatusOr<std::int64_t> BytesNeeded(const std::string& from, const CopyOptions& options) {
  ASSIGN_OR_RETURN(const Source source, OpenSource(from, options));
  ASSIGN_OR_RETURN(
      const std::string said,
      QemuImg({"measure", "--output", "json", "-O", "qcow2", source.name}, &source, options));
  const json measured = json::parse(said, nullptr, /*allow_exceptions=*/false);
  if (!measured.is_object() || !measured.contains("required") ||
      !measured["required"].is_number_integer()) {
    return absl::InternalError(absl::StrCat("qemu-img measure: ", said));
  }
  // Data that cannot be compressed takes a little more in compressed formats.
  const auto bytes = measured["required"].get<std::int64_t>();
  return bytes + bytes / 64;
}

}  // namespace godwit::image

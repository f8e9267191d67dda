// Looking at machines of libvirt: console, screen, guest agent.
#include <libvirt/libvirt-qemu.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/targets/libvirt/libvirt_target.h"
#include "services/jobs/targets/machine_files.h"
#include "services/jobs/targets/png.h"
#include "services/jobs/targets/qemu/command.h"

namespace godwit::jobs {
namespace {

constexpr std::int64_t kMostChunk = 1 << 20;
constexpr std::size_t kMostAnswer = 8u << 20;
// A portable pixmap of a big screen before it is packed.
constexpr std::size_t kMostPixmap = 64u << 20;

}  // namespace

absl::StatusOr<ConsoleChunk> LibvirtTarget::ReadConsole(const std::string& machine_id,
                                                        std::int64_t offset) {
  RETURN_IF_ERROR(Load(machine_id).status());
  if (pooled()) return ReadPoolLog(absl::StrCat(machine_id, "-", kConsoleLog), offset);
  return ReadLog(absl::StrCat(Dir(machine_id), "/", kConsoleLog), offset, kMostChunk);
}

std::string LibvirtTarget::ReadFirmwareLog(const std::string& machine_id) {
  if (!CheckId("machine_id", "i-", machine_id).ok()) return "";
  const auto chunk =
      pooled() ? ReadPoolLog(absl::StrCat(machine_id, "-", kFirmwareLog), -(64 << 10))
               : ReadLog(absl::StrCat(Dir(machine_id), "/", kFirmwareLog), -(64 << 10), 64 << 10);
  return chunk.ok() ? chunk->content : "";
}

absl::StatusOr<std::string> LibvirtTarget::Screenshot(const std::string& machine_id) {
  RETURN_IF_ERROR(CheckId("machine_id", "i-", machine_id));
  ASSIGN_OR_RETURN(const DomainPtr domain, connection_.FindDomain(machine_id));
  ASSIGN_OR_RETURN(const ConnectPtr connection, connection_.Get());
  const std::unique_ptr<virStream, void (*)(virStreamPtr)> stream(
      virStreamNew(connection.get(), 0), [](virStreamPtr gone) { virStreamFree(gone); });
  if (stream == nullptr) return LibvirtError("screenshot");
  const std::unique_ptr<char, void (*)(void*)> type(
      virDomainScreenshot(domain.get(), stream.get(), 0, 0), &free);
  if (type == nullptr) return LibvirtError("screenshot");
  ASSIGN_OR_RETURN(const std::string image, connection_.ReadStream(stream.get(), kMostPixmap));
  // Which of the two comes depends on the versions of QEMU and libvirt.
  if (IsPng(image)) return image;
  return PngFromPixmap(image);
}

absl::StatusOr<std::string> LibvirtTarget::AskAgent(const std::string& machine_id,
                                                    const std::string& command,
                                                    absl::Duration timeout) {
  RETURN_IF_ERROR(CheckId("machine_id", "i-", machine_id));
  ASSIGN_OR_RETURN(const DomainPtr domain, connection_.FindDomain(machine_id));
  const int seconds = std::max(1, static_cast<int>(absl::ToInt64Seconds(timeout)));
  const std::unique_ptr<char, void (*)(void*)> answer(
      virDomainQemuAgentCommand(domain.get(), command.c_str(), seconds, 0), &free);
  if (answer == nullptr) return LibvirtError("guest agent");
  const std::string text(answer.get());
  if (text.size() > kMostAnswer)
    return absl::ResourceExhaustedError("guest agent: an answer above 8 MiB");
  const auto parsed = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object() || !parsed.contains("return"))
    return absl::InternalError("guest agent: an answer without \"return\"");
  return parsed["return"].dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

absl::StatusOr<bool> LibvirtTarget::TookConnection(const std::string& machine_id, int guest_port) {
  ASSIGN_OR_RETURN(const DomainPtr domain, connection_.FindDomain(machine_id));
  char* text = nullptr;
  if (virDomainQemuMonitorCommand(domain.get(), "info usernet", &text,
                                  VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP) != 0) {
    return LibvirtError("connections");
  }
  const std::unique_ptr<char, void (*)(void*)> owned(text, &free);
  return ShowsConnection(text == nullptr ? "" : text, guest_port);
}

}  // namespace godwit::jobs

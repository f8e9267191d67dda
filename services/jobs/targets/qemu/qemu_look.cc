// Looking at machines of QEMU: screen, guest agent, network.
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/common/base/ids.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/targets/machine_files.h"
#include "services/jobs/targets/pcap.h"
#include "services/jobs/targets/png.h"
#include "services/jobs/targets/qemu/command.h"
#include "services/jobs/targets/qemu/process.h"
#include "services/jobs/targets/qemu/qemu_target.h"
#include "services/jobs/targets/qemu/qmp.h"
#include "services/jobs/targets/vga_text.h"

namespace godwit::jobs {
namespace {

using nlohmann::json;

constexpr absl::Duration kCommandTimeout = absl::Seconds(30);
constexpr std::size_t kMostAnswer = 8u << 20;
constexpr int kMostStale = 1000;  // answers to somebody else's questions
constexpr char kDelimiter = '\xff';

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// The agent's next answer. Lines may begin with the delimiter of a synchronisation.
absl::StatusOr<json> NextAnswer(LineSocket& socket, absl::Time deadline) {
  ASSIGN_OR_RETURN(const std::string line, socket.Next(deadline));
  const std::size_t begin = line.rfind(kDelimiter);
  const json parsed =
      json::parse(begin == std::string::npos ? line : line.substr(begin + 1), nullptr, false);
  if (!parsed.is_object()) return absl::InternalError("guest agent: a line that is no JSON object");
  return parsed;
}

// Reads over what was said before: afterwards the next answer is to the next question.
absl::Status Synchronise(LineSocket& socket, absl::Time deadline) {
  const std::int64_t id = absl::ToUnixMicros(absl::Now());
  const json question = {{"execute", "guest-sync-delimited"}, {"arguments", {{"id", id}}}};
  RETURN_IF_ERROR(
      socket.Send(absl::StrCat(std::string(1, kDelimiter), Dump(question), "\n"), deadline));
  for (int i = 0; i < kMostStale; ++i) {
    const auto answer = NextAnswer(socket, deadline);
    if (answer.ok() && answer->contains("return") && (*answer)["return"] == json(id))
      return absl::OkStatus();
    if (!answer.ok() && !absl::IsInternal(answer.status())) return answer.status();
  }
  return absl::UnavailableError("guest agent: it does not come to the point");
}

}  // namespace

absl::StatusOr<std::string> QemuTarget::ReadDump(const std::string& machine_id,
                                                 const std::string& command,
                                                 const std::string& arguments,
                                                 std::size_t most_bytes) {
  ASSIGN_OR_RETURN(const MachineState state, Load(machine_id));
  if (state.pid == 0 || !ProcessAlive(state.pid, state.start_time))
    return absl::FailedPreconditionError("the machine does not run");
  const std::string dir = Dir(machine_id);
  const std::string name = NewId("dump-");
  const std::string path = absl::StrCat(dir, "/", name);
  const absl::Cleanup remove = [&] { unlink(path.c_str()); };
  json all = json::parse(arguments);
  all["filename"] = name;
  ASSIGN_OR_RETURN(Qmp qmp, Qmp::Connect(dir, kQmpSocket, kCommandTimeout));
  RETURN_IF_ERROR(qmp.Execute(command, Dump(all), kCommandTimeout).status());
  return ReadFile(path, most_bytes);
}

absl::StatusOr<std::string> QemuTarget::Screenshot(const std::string& machine_id) {
  ASSIGN_OR_RETURN(std::string image,
                   ReadDump(machine_id, "screendump", R"({"format":"png"})", kMostScreenshotBytes));
  if (!IsPng(image)) return absl::InternalError("QEMU's screen dump is no PNG");
  return image;
}

std::string QemuTarget::ReadScreenText(const std::string& machine_id) {
  const json where = {{"val", kVgaTextAddress}, {"size", kVgaTextBytes}};
  const auto memory = ReadDump(machine_id, "pmemsave", Dump(where), kVgaTextBytes);
  return memory.ok() ? VgaText(*memory) : "";
}

absl::StatusOr<std::string> QemuTarget::AskAgent(const std::string& machine_id,
                                                 const std::string& command,
                                                 absl::Duration timeout) {
  ASSIGN_OR_RETURN(const MachineState state, Load(machine_id));
  const absl::Time deadline = SteadyNow() + timeout;
  auto socket = LineSocket::Connect("guest agent", Dir(machine_id), kAgentSocket, kMostAnswer);
  if (!socket.ok()) return absl::UnavailableError(socket.status().message());
  absl::Status synchronised = Synchronise(*socket, deadline);
  if (absl::IsDeadlineExceeded(synchronised))
    return absl::UnavailableError("guest agent: no agent answers");
  RETURN_IF_ERROR(synchronised);
  RETURN_IF_ERROR(socket->Send(absl::StrCat(command, "\n"), deadline));
  ASSIGN_OR_RETURN(const json answer, NextAnswer(*socket, deadline));
  if (answer.contains("return")) return Dump(answer["return"]);
  return absl::FailedPreconditionError(absl::StrCat("guest agent: ", Dump(answer).substr(0, 500)));
}

absl::StatusOr<bool> QemuTarget::TookConnection(const std::string& machine_id, int guest_port) {
  ASSIGN_OR_RETURN(Qmp qmp, Qmp::Connect(Dir(machine_id), kQmpSocket, kCommandTimeout));
  ASSIGN_OR_RETURN(const std::string text, qmp.Monitor("info usernet", kCommandTimeout));
  return ShowsConnection(text, guest_port);
}

void QemuTarget::TrimCapture(const std::string& machine_id) {
  const std::string dir = Dir(machine_id);
  struct stat info {};
  if (stat(absl::StrCat(dir, "/", kNetworkDump).c_str(), &info) != 0 ||
      info.st_size <= kMostCaptureBytes) {
    return;
  }
  // QEMU writes on where it was: the file cannot be cut, only ended.
  auto qmp = Qmp::Connect(dir, kQmpSocket, kCommandTimeout);
  if (qmp.ok() && qmp->Execute("object-del", R"({"id":"dump0"})", kCommandTimeout).ok()) {
    Log(Severity::kInfo, "no further recording of the network", {{"machine", machine_id}});
  }
}

std::vector<std::string> QemuTarget::NetworkAttempts(const std::string& machine_id) {
  const auto state = Load(machine_id);
  if (!state.ok()) return {};
  std::vector<std::string> addresses;
  for (const MachineNic& nic : state->spec.nics) addresses.push_back(nic.mac_address);
  const auto capture =
      ReadLog(absl::StrCat(Dir(machine_id), "/", kNetworkDump), 0, kMostCaptureBytes);
  return capture.ok() ? SummariseCapture(capture->content, addresses) : std::vector<std::string>{};
}

}  // namespace godwit::jobs

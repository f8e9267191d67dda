#include "agent/tracker/device_probe.h"

#include <bpf/btf.h>
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/common/base/file.h"
#include "services/common/block/block.h"

namespace godwit::agent {
namespace {

constexpr std::size_t kPage = 4096;

std::string SysfsOf(const TrackedDevice& device) {
  return absl::StrCat("/sys/dev/block/", device.major, ":", device.first_minor);
}

// "" when the kernel does not name it.
std::string NodeOf(const TrackedDevice& device) {
  const std::string uevent = ReadFile(SysfsOf(device) + "/uevent", kPage).value_or("");
  for (absl::string_view line : absl::StrSplit(uevent, '\n')) {
    if (absl::ConsumePrefix(&line, "DEVNAME=")) return absl::StrCat("/dev/", line);
  }
  return "";
}

}  // namespace

CompletionKind GuessCompletions(const TrackedDevice& device) {
  std::error_code error;
  return std::filesystem::exists(SysfsOf(device) + "/mq", error) ? CompletionKind::kRequests
                                                                 : CompletionKind::kBios;
}

absl::Status ReadOnce(const TrackedDevice& device) {
  const std::string node = NodeOf(device);
  const Fd fd(open(node.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(node);
  block::AlignedBuffer buffer(kPage);
  const ssize_t got = pread(fd.get(), buffer.data(), kPage, 0);
  if (got < 0) return ErrnoStatus(node);
  return got > 0 ? absl::OkStatus() : absl::OutOfRangeError(node + ": nothing there");
}

void AwaitIdle(const TrackedDevice& device, absl::Duration patience) {
  for (const absl::Time end = SteadyNow() + patience; SteadyNow() < end;
       absl::SleepFor(absl::Milliseconds(1))) {
    // Reads and writes.
    const std::string text = ReadFile(SysfsOf(device) + "/inflight", kPage).value_or("");
    const std::vector<absl::string_view> words =
        absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
    if (words.size() == 2 && words[1] == "0") return;
  }
}

int TracepointArguments(const std::string& name) {
  const std::unique_ptr<btf, void (*)(btf*)> kernel(btf__load_vmlinux_btf(), btf__free);
  if (kernel == nullptr) return 0;
  const int id =
      btf__find_by_name_kind(kernel.get(), ("btf_trace_" + name).c_str(), BTF_KIND_TYPEDEF);
  const btf_type* type = id > 0 ? btf__type_by_id(kernel.get(), static_cast<__u32>(id)) : nullptr;
  if (type != nullptr) type = btf__type_by_id(kernel.get(), type->type);  // pointer
  if (type != nullptr) type = btf__type_by_id(kernel.get(), type->type);  // function
  // The first one is the tracepoint's own.
  return type != nullptr && btf_is_func_proto(type) && btf_vlen(type) > 0 ? btf_vlen(type) - 1 : 0;
}

}  // namespace godwit::agent

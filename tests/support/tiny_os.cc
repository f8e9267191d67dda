#include "tests/support/tiny_os.h"

#include <sys/wait.h>

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "tests/support/process.h"

namespace godwit::testing {
namespace {

constexpr std::size_t kMessageAt = 0x40;
constexpr std::size_t kSectorSize = 512;
constexpr std::size_t kDiskSize = 1 << 20;

std::string BootSector(absl::string_view message, TinyOsEnd end) {
  std::string code(
      "\x31\xc0"      // 00 xor ax, ax
      "\x8e\xd8"      // 02 mov ds, ax
      "\xfc"          // 04 cld
      "\xbe\x40\x7c"  // 05 mov si, 0x7c40: the message
      "\xac"          // 08 next: lodsb
      "\x84\xc0"      // 09 test al, al
      "\x74\x12"      // 0b jz end
      "\x88\xc4"      // 0d mov ah, al
      "\xba\xfd\x03"  // 0f mov dx, 0x3fd: line status
      "\xec"          // 12 wait: in al, dx
      "\xa8\x20"      // 13 test al, 0x20: transmitter empty
      "\x74\xfb"      // 15 jz wait
      "\xba\xf8\x03"  // 17 mov dx, 0x3f8
      "\x88\xe0"      // 1a mov al, ah
      "\xee"          // 1c out dx, al
      "\xeb\xe9",     // 1d jmp next
      0x1f);
  if (end == TinyOsEnd::kPowerOff) {
    // mov ax, 0x2000; mov dx, 0x604; out dx, ax: ACPI S5 of QEMU's q35.
    code += std::string("\xb8\x00\x20\xba\x04\x06\xef", 7);
  }
  code += "\xf4\xeb\xfd";  // hlt; jmp to it
  code.resize(kMessageAt);
  code += std::string(message.substr(0, 400)) + "\r\n";
  code.resize(kSectorSize - 2);
  return code + (end == TinyOsEnd::kNoBoot ? std::string(2, '\0') : "\x55\xaa");
}

}  // namespace

absl::Status MakeTinyOsDisk(const std::string& path, absl::string_view message, TinyOsEnd end) {
  std::string disk = BootSector(message, end);
  disk.resize(kDiskSize);
  const std::string raw = absl::StrCat(path, ".raw");
  RETURN_IF_ERROR(WriteFileAtomically(raw, disk));
  ASSIGN_OR_RETURN(Process convert,
                   Process::Start({.command = {"/usr/bin/qemu-img", "convert", "-f", "raw", "-O",
                                               "qcow2", raw, path},
                                   .log = absl::StrCat(path, ".log")}));
  ASSIGN_OR_RETURN(const int status, convert.Wait(absl::Seconds(30)));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return absl::InternalError(absl::StrCat("qemu-img: ", convert.Log()));
  }
  std::remove(raw.c_str());
  std::remove(absl::StrCat(path, ".log").c_str());
  return absl::OkStatus();
}

}  // namespace godwit::testing

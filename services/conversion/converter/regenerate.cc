#include "services/conversion/converter/regenerate.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/initramfs_format.h"
#include "services/conversion/converter/sandbox.h"

namespace godwit::convert {
namespace {

constexpr char kStep[] = "initramfs";
constexpr std::size_t kMaxImage = std::size_t{400} << 20;
constexpr std::size_t kMaxTail = 500;

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// The first of the places at which distributions have a program.
absl::StatusOr<std::string> Find(const GuestRoot& root, const std::vector<std::string>& places) {
  for (const std::string& place : places) {
    if (root.Exists(place)) return "/" + place;
  }
  return absl::FailedPreconditionError(
      absl::StrCat("the guest has no /", places.front(), ", which would make its initramfs"));
}

bool IsSuse(const GuestRoot& root) {
  return root.Exists("etc/SuSE-release") || root.Exists("etc/SUSE-brand") ||
         root.Exists("etc/sysconfig/network/config");
}

// Where the family keeps the initramfs of a kernel that has none.
std::string ImageOf(const GuestRoot& root, const std::string& tool, const GuestKernel& kernel) {
  if (!kernel.initramfs.empty()) return kernel.initramfs;
  const std::string suffix =
      BaseName(kernel.image).substr(absl::StartsWith(BaseName(kernel.image), "vmlinuz-") ? 8 : 0);
  if (tool == "initramfs-tools") return "boot/initrd.img-" + suffix;
  if (tool == "mkinitfs") return "boot/initramfs-" + suffix;
  if (IsSuse(root)) return "boot/initrd-" + suffix;
  return absl::StrCat(tool == "mkinitrd" ? "boot/initrd-" : "boot/initramfs-", suffix, ".img");
}

std::string Tail(const std::string& output) {
  std::string tail(absl::StripAsciiWhitespace(output));
  if (tail.size() > kMaxTail) tail.erase(0, tail.size() - kMaxTail);
  return tail;
}

absl::Status RunTool(GuestRoot& root, const std::vector<std::string>& words, absl::Duration limit,
                     GuestRun* run) {
  ASSIGN_OR_RETURN(*run, RunInGuest(root, words, limit));
  if (run->timed_out) {
    return absl::FailedPreconditionError(absl::StrCat(words[0], " took longer than ",
                                                      absl::FormatDuration(limit),
                                                      " and was ended: ", Tail(run->output)));
  }
  if (run->exit_code != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(words[0], " ended with status ", run->exit_code, ": ", Tail(run->output)));
  }
  return absl::OkStatus();
}

void Report(const std::vector<std::string>& words, const std::string& image, absl::Duration took,
            Findings* findings) {
  findings->push_back(
      {"NOTE", "REGENERATED", absl::StrCat(image, " is made again by ", absl::StrJoin(words, " ")),
       took == absl::ZeroDuration() ? "in the appliance, without network and devices"
                                    : absl::StrCat("it took ", absl::FormatDuration(took))});
}

absl::Status Regenerate(GuestRoot& root, const RegenerateCommand& command, absl::Duration limit,
                        Findings* findings) {
  const std::string kept = command.image + ".pre-migration";
  const absl::StatusOr<std::string> before = root.Read(command.image, kMaxImage);
  if (before.ok() && !root.Exists(kept)) {
    RETURN_IF_ERROR(root.Write(kStep, kept, *before, "the image as it was", /*keep=*/false, 0600));
  }
  GuestRun run;
  absl::Status status = RunTool(root, command.words, limit, &run);
  const absl::StatusOr<std::string> after = root.Read(command.image, kMaxImage);
  if (status.ok() && after.ok()) {
    const InitramfsFormat format = FormatOf(*after);
    if (format == InitramfsFormat::kEmpty || format == InitramfsFormat::kUnknown) {
      status = absl::FailedPreconditionError(absl::StrCat(
          command.words[0], " made no initramfs in /", command.image, ": ", Tail(run.output)));
    }
  } else if (status.ok()) {
    status = Annotate(after.status(), command.words[0]);
  }
  if (!status.ok()) {
    if (before.ok()) {
      RETURN_IF_ERROR(root.Write(kStep, command.image, *before, "the image as it was",
                                 /*keep=*/false));
    }
    return status;
  }
  root.Record({.step = kStep,
               .path = command.image,
               .before_sha256 = before.ok() ? Sha256Hex(*before) : "",
               .after_sha256 = Sha256Hex(*after),
               .summary = "made again by " + command.words[0]});
  Report(command.words, "/" + command.image, run.took, findings);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RegenerateCommand> CommandFor(const GuestRoot& root, const std::string& tool,
                                             const GuestKernel& kernel) {
  RegenerateCommand command{.image = ImageOf(root, tool, kernel)};
  const std::string image = "/" + command.image, &release = kernel.release;
  if (tool == "initramfs-tools") {
    ASSIGN_OR_RETURN(const std::string program, Find(root, {"usr/sbin/update-initramfs"}));
    command.words = {program, kernel.initramfs.empty() ? "-c" : "-u", "-k", release};
  } else if (tool == "dracut") {
    ASSIGN_OR_RETURN(const std::string program,
                     Find(root, {"usr/bin/dracut", "usr/sbin/dracut", "sbin/dracut"}));
    command.words = {program, "--force"};
    // The appliance is not the machine that it will run on. Dracut before 013 knows no host.
    if (root.Exists("usr/lib/dracut")) command.words.emplace_back("--no-hostonly");
    command.words.insert(command.words.end(), {image, release});
  } else if (tool == "mkinitcpio") {
    ASSIGN_OR_RETURN(const std::string program, Find(root, {"usr/bin/mkinitcpio"}));
    command.words = {program, "-k", release, "-g", image, "-S", "autodetect"};
  } else if (tool == "mkinitfs") {
    ASSIGN_OR_RETURN(const std::string program, Find(root, {"sbin/mkinitfs", "usr/sbin/mkinitfs"}));
    command.words = {program, "-o", image, release};
  } else if (tool == "mkinitrd") {
    ASSIGN_OR_RETURN(const std::string program, Find(root, {"sbin/mkinitrd"}));
    command.words =
        IsSuse(root) ? std::vector<std::string>{program, "-k", BaseName(kernel.image), "-i",
                                                BaseName(command.image)}
                     : std::vector<std::string>{
                           program, "-f", "--with=virtio_pci", "--with=virtio_blk", image, release};
  } else {
    return absl::FailedPreconditionError("the guest has no tool that makes an initramfs");
  }
  return command;
}

absl::StatusOr<std::vector<std::string>> UnifiedCommand(const GuestRoot& root) {
  if (root.Exists("usr/bin/mkinitcpio"))
    return std::vector<std::string>{"/usr/bin/mkinitcpio", "-P"};
  return absl::NotFoundError("no tool was found that builds the unified kernel images again");
}

absl::Status RegenerateImages(GuestRoot& root, const std::string& tool,
                              const std::vector<GuestKernel>& kernels,
                              const std::vector<std::string>& unified, absl::Duration limit,
                              bool dry_run, Findings* findings) {
  for (const GuestKernel& kernel : kernels) {
    if (!kernel.Usable()) continue;
    ASSIGN_OR_RETURN(const RegenerateCommand command, CommandFor(root, tool, kernel));
    if (dry_run) {
      Report(command.words, "/" + command.image, absl::ZeroDuration(), findings);
    } else {
      RETURN_IF_ERROR(Regenerate(root, command, limit, findings));
    }
  }
  if (unified.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<std::string> words, UnifiedCommand(root));
  GuestRun run;
  if (!dry_run) RETURN_IF_ERROR(RunTool(root, words, limit, &run));
  Report(words, "/" + absl::StrJoin(unified, ", /"), run.took, findings);
  return absl::OkStatus();
}

}  // namespace godwit::convert

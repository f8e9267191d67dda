#include "services/conversion/converter/undo.h"

#include <algorithm>
#include <functional>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/run_bounded.h"

namespace godwit::convert {
namespace {

constexpr char kStep[] = "undo";
constexpr std::size_t kMaxKept = std::size_t{512} << 20;
constexpr std::size_t kMaxText = 256 << 10;
constexpr std::size_t kMaxDiff = 1 << 20;

// SHA-256 of a file; "" when there is none.
absl::StatusOr<std::string> HashOf(const GuestRoot& root, const std::string& path) {
  const absl::StatusOr<std::string> content = root.Read(path, kMaxKept);
  if (absl::IsNotFound(content.status())) return std::string();
  RETURN_IF_ERROR(content);
  return Sha256Hex(*content);
}

// Where the state before is: what the list says, or the usual place for files that were removed.
std::string KeptOf(const GuestRoot& root, const Change& change) {
  if (!change.kept.empty()) return change.kept;
  const std::string usual = GuestRoot::KeptPath(change.path);
  const auto hash = HashOf(root, usual);
  return hash.ok() && !change.before_sha256.empty() && *hash == change.before_sha256 ? usual : "";
}

bool IsKeptCopy(const Manifest& manifest, const std::string& volume, const std::string& path) {
  return std::any_of(manifest.changes.begin(), manifest.changes.end(), [&](const Change& change) {
    return change.volume == volume && change.after_sha256.empty() &&
           GuestRoot::KeptPath(change.path) == path;
  });
}

// Nothing was kept on purpose: the agent with its keys.
bool NotKept(const GuestRoot& root, const Change& change) {
  return change.after_sha256.empty() && KeptOf(root, change).empty();
}

}  // namespace

absl::Status CheckUndo(const GuestRoot& root, const Manifest& manifest, const std::string& volume,
                       Outcome* outcome) {
  for (const Change& change : manifest.changes) {
    if (change.volume != volume || IsKeptCopy(manifest, volume, change.path)) continue;
    if (NotKept(root, change)) {
      outcome->findings.push_back(
          {"NOTE", "NOT_KEPT",
           absl::StrCat("/", change.path, " was removed and not kept: ", change.summary),
           "it stays removed"});
      continue;
    }
    ASSIGN_OR_RETURN(const std::string now, HashOf(root, change.path));
    if (now != change.after_sha256) {
      return absl::FailedPreconditionError(
          absl::StrCat("/", change.path,
                       " was changed after the conversion; nothing is undone. Take a new clone of "
                       "the point instead"));
    }
    if (change.before_sha256.empty()) continue;
    ASSIGN_OR_RETURN(const std::string before, HashOf(root, KeptOf(root, change)));
    if (before != change.before_sha256) {
      return absl::FailedPreconditionError(absl::StrCat("what was kept of /", change.path,
                                                        " is not what it was; nothing is undone"));
    }
  }
  return absl::OkStatus();
}

absl::Status UndoTree(GuestRoot& root, const Manifest& manifest, const std::string& volume,
                      Outcome* outcome) {
  for (auto change = manifest.changes.rbegin(); change != manifest.changes.rend(); ++change) {
    if (change->volume != volume || IsKeptCopy(manifest, volume, change->path) ||
        NotKept(root, *change))
      continue;
    if (change->before_sha256.empty()) {
      RETURN_IF_ERROR(root.Unlink(change->path));
    } else {
      // The copy is the original file itself, with its owner, mode and times.
      RETURN_IF_ERROR(root.Rename(KeptOf(root, *change), change->path));
    }
    ASSIGN_OR_RETURN(const std::string now, HashOf(root, change->path));
    if (now != change->before_sha256)
      return absl::DataLossError(absl::StrCat("/", change->path, " is not what it was"));
    outcome->changes.push_back(
        {.step = kStep,
         .path = change->path,
         .before_sha256 = change->after_sha256,
         .after_sha256 = change->before_sha256,
         .summary = change->before_sha256.empty() ? "removed again" : "as it was",
         .volume = volume});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> DiffTree(const GuestRoot& root, const Manifest& manifest,
                                     const std::string& volume) {
  std::string out;
  for (const Change& change : manifest.changes) {
    if (change.volume != volume || IsKeptCopy(manifest, volume, change.path)) continue;
    const std::string name = absl::StrCat(volume.empty() ? "/" : volume + ":/", change.path);
    const std::string kept = KeptOf(root, change);
    const auto text = [&](const std::string& path) -> absl::StatusOr<std::string> {
      if (path.empty()) return std::string();
      absl::StatusOr<std::string> content = root.Read(path, kMaxText);
      if (absl::IsNotFound(content.status())) return std::string();
      return content;
    };
    const absl::StatusOr<std::string> before = text(kept), after = text(change.path);
    if (!before.ok() || !after.ok() || absl::StrContains(*before, '\0') ||
        absl::StrContains(*after, '\0')) {
      absl::StrAppend(&out, "--- ", name, "\n+++ ", name, "\n# ", change.summary,
                      " (no text, or too large to compare)\n");
    } else if (*before != *after) {
      const std::string a = "/tmp/godwit-diff-a", b = "/tmp/godwit-diff-b";
      RETURN_IF_ERROR(WriteFileAtomically(a, *before));
      RETURN_IF_ERROR(WriteFileAtomically(b, *after));
      ASSIGN_OR_RETURN(const BoundedRun run,
                       RunBounded({"diff", "-u", "-L", name, "-L", name, a, b},
                                  {"PATH=/bin:/usr/bin", "LC_ALL=C"}, "",
                                  {.timeout = absl::Minutes(1), .max_output = kMaxDiff}));
      if (run.exit_code > 1) return absl::InternalError("diff: " + run.output.substr(0, 200));
      absl::StrAppend(&out, run.output);
      std::remove(a.c_str());
      std::remove(b.c_str());
    }
    if (out.size() > kMaxDiff) {
      out.resize(kMaxDiff - 100);
      return out + "\n# ... more than 1 MiB\n";
    }
  }
  return out;
}

absl::Status DiffOrUndo(GuestRoot& root, const Job& job, const Firmware& firmware,
                        Outcome* outcome) {
  ASSIGN_OR_RETURN(const Manifest manifest, LoadManifest(root));
  const auto of = [&](const char* volume) {
    return std::any_of(manifest.changes.begin(), manifest.changes.end(),
                       [&](const Change& change) { return change.volume == volume; });
  };
  if (job.action == "diff") {
    outcome->changes = manifest.changes;
    ASSIGN_OR_RETURN(outcome->diff, DiffTree(root, manifest, ""));
    if (!of("esp")) return absl::OkStatus();
    return OnEsp(firmware.esp, /*read_only=*/true, [&](GuestRoot& esp) -> absl::Status {
      ASSIGN_OR_RETURN(const std::string more, DiffTree(esp, manifest, "esp"));
      outcome->diff += more;
      return absl::OkStatus();
    });
  }
  if (manifest.changes.empty()) {
    return absl::FailedPreconditionError("nothing to undo: these disks hold no list of changes");
  }
  RETURN_IF_ERROR(CheckUndo(root, manifest, "", outcome));
  RETURN_IF_ERROR(CheckSectors(firmware, manifest.changes));
  if (of("esp")) {
    RETURN_IF_ERROR(OnEsp(firmware.esp, /*read_only=*/false, [&](GuestRoot& esp) -> absl::Status {
      RETURN_IF_ERROR(CheckUndo(esp, manifest, "esp", outcome));
      return UndoTree(esp, manifest, "esp", outcome);
    }));
  }
  RETURN_IF_ERROR(UndoTree(root, manifest, "", outcome));
  RETURN_IF_ERROR(UndoSectors(firmware, manifest.changes, outcome));
  RETURN_IF_ERROR(root.Unlink(kManifest));
  // Those that were filled since stay.
  for (auto folder = manifest.folders.rbegin(); folder != manifest.folders.rend(); ++folder)
    root.Unlink(*folder).IgnoreError();
  return absl::OkStatus();
}

}  // namespace godwit::convert

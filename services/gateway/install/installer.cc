#include "services/gateway/install/installer.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "services/common/base/file.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/gateway/install/script_text.h"

namespace godwit::gateway {
namespace {

constexpr std::int64_t kMostBytes = std::int64_t{256} << 20;
constexpr std::size_t kMostFiles = 64;

Response Text(int status, std::string text) {
  return {.status = status,
          .content_type = "text/plain; charset=utf-8",
          .headers = {{"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}},
          .body = std::move(text)};
}

bool IsFileName(absl::string_view name) {
  return !name.empty() && name.size() <= 128 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  absl::string_view("._+~-").find(c) != absl::string_view::npos;
         });
}

// What goes into a script that runs as root: letters, digits and what addresses have besides.
bool IsHost(absl::string_view host) {
  return !host.empty() && host.size() <= 255 && std::all_of(host.begin(), host.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           absl::string_view(".-:[]").find(c) != absl::string_view::npos;
  });
}

struct OpenFile {
  Fd fd;
  struct stat facts;
};

// NOT_FOUND: no such file, or none that is offered.
absl::StatusOr<OpenFile> Open(const std::string& dir, const std::string& name) {
  OpenFile file{.fd = Fd(open(absl::StrCat(dir, "/", name).c_str(),
                              O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC))};
  if (!file.fd.valid() || fstat(file.fd.get(), &file.facts) != 0 || !S_ISREG(file.facts.st_mode) ||
      file.facts.st_size > kMostBytes) {
    return absl::NotFoundError(name);
  }
  return file;
}

bool Same(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

absl::StatusOr<std::string> HexSha256Of(const OpenFile& file, const std::string& name) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  std::vector<char> chunk(1 << 20);
  for (off_t at = 0; at < file.facts.st_size;) {
    const ssize_t got = pread(file.fd.get(), chunk.data(), chunk.size(), at);
    if (got <= 0) return absl::UnavailableError(absl::StrCat(name, " changes"));
    EVP_DigestUpdate(context.get(), chunk.data(), static_cast<std::size_t>(got));
    at += got;
  }
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest.data()), &size);
  digest.resize(size);
  return absl::BytesToHexString(digest);
}

std::vector<std::string> NamesIn(const std::string& dir) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> open(opendir(dir.c_str()), &closedir);
  if (open == nullptr) return names;
  while (const dirent* entry = readdir(open.get())) {
    if (IsFileName(entry->d_name)) names.emplace_back(entry->d_name);
  }
  std::sort(names.begin(), names.end());
  if (names.size() > kMostFiles) names.resize(kMostFiles);
  return names;
}

}  // namespace

bool Installer::Wants(absl::string_view path) {
  return path == "/install.sh" || absl::StartsWith(path, "/install/");
}

Response Installer::Script(absl::string_view host) const {
  if (!IsHost(host)) return Text(400, "the header Host is no address\n");
  Response response =
      Text(200, absl::StrReplaceAll(kInstallScript, {{"@GATEWAY@", absl::StrCat("https://", host)},
                                                     {"@ENROLLMENT@", options_.enrollment}}));
  response.content_type = "text/x-shellscript; charset=utf-8";
  return response;
}

absl::StatusOr<std::string> Installer::SumOf(const std::string& name) {
  ASSIGN_OR_RETURN(const OpenFile file, Open(options_.dir, name));
  absl::MutexLock lock(&mutex_);
  const auto found = sums_.find(name);
  if (found != sums_.end() && Same(found->second.facts, file.facts)) return found->second.hex;
  ASSIGN_OR_RETURN(std::string hex, HexSha256Of(file, name));
  if (sums_.size() >= 2 * kMostFiles) sums_.clear();
  sums_.insert_or_assign(name, Sum{.facts = file.facts, .hex = hex});
  return hex;
}

absl::StatusOr<std::string> Installer::Sums() {
  std::string out;
  for (const std::string& name : NamesIn(options_.dir)) {
    const absl::StatusOr<std::string> sum = SumOf(name);
    if (absl::IsNotFound(sum.status())) continue;
    RETURN_IF_ERROR(sum.status());
    absl::StrAppend(&out, *sum, "  ", name, "\n");
  }
  return out;
}

Response Installer::Find(const Request& request) {
  if (request.head.method != "GET") return Text(405, "only GET\n");
  if (options_.dir.empty()) {
    return Text(404, "this gateway offers no installer (godwit-gateway --install-dir)\n");
  }
  absl::string_view name = request.head.path();
  if (name == "/install.sh") return Script(request.head.Header("host"));
  absl::ConsumePrefix(&name, "/install/");
  if (name == "ca.crt") {
    const absl::StatusOr<std::string> ca = ReadFile(options_.ca_file, 1 << 20);
    return ca.ok() ? Text(200, *ca) : Text(503, "the CA cannot be read now\n");
  }
  if (name == "SHA256SUMS") {
    const absl::StatusOr<std::string> sums = Sums();
    return sums.ok() ? Text(200, *sums) : Text(503, absl::StrCat(sums.status().message(), "\n"));
  }
  absl::StatusOr<OpenFile> file = IsFileName(name)
                                      ? Open(options_.dir, std::string(name))
                                      : absl::StatusOr<OpenFile>(absl::NotFoundError(""));
  if (!file.ok()) return Text(404, "there is no such file; /install/SHA256SUMS lists them\n");
  Response response = Text(200, "");
  response.content_type = "application/octet-stream";
  response.file_bytes = file->facts.st_size;
  response.file = std::make_shared<Fd>(std::move(file->fd));
  return response;
}

Response Installer::Answer(const Request& request) {
  Response response = Find(request);
  response.headers.emplace_back("x-amzn-RequestId", request.id);
  Log(Severity::kInfo, "install file",
      {{"request_id", request.id},
       {"path", std::string(request.head.path().substr(0, 256))},
       {"status", absl::StrCat(response.status)},
       {"client", request.client_address}});
  return response;
}

}  // namespace godwit::gateway

#include "services/common/rpc/tls_folder.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/check.h"
#include "services/common/base/json_log.h"
#include "services/common/rpc/ca.h"
#include "services/common/rpc/certificate_life.h"
#include "services/common/rpc/openssl_util.h"

namespace godwit::rpc {
namespace {

constexpr absl::Duration kLookEvery = absl::Milliseconds(500);

std::string Pair(const TlsMaterial& tls) {
  return absl::StrCat(tls.certificate_chain, "\n", tls.private_key);
}

}  // namespace

absl::Status CheckPair(const std::string& certificate_pem, const std::string& key_pem) {
  const BioPtr certificate_bio = ReadBio(certificate_pem), key_bio = ReadBio(key_pem);
  const X509Ptr certificate(PEM_read_bio_X509(certificate_bio.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) {
    return SslError("the certificate cannot be read", absl::StatusCode::kInvalidArgument);
  }
  const KeyPtr key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
  if (key == nullptr) {
    return SslError("the key cannot be read", absl::StatusCode::kInvalidArgument);
  }
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    return SslError("the key does not belong to the certificate",
                    absl::StatusCode::kInvalidArgument);
  }
  return absl::OkStatus();
}

TlsFolder::MemoryFile::MemoryFile(const std::string& content) : fd_(Make(content)) {}

std::string TlsFolder::MemoryFile::Path() const {
  return absl::StrCat("/proc/self/fd/", fd_.get());
}

Fd TlsFolder::MemoryFile::Make(const std::string& content) {
  Fd fd(memfd_create("godwit-tls", MFD_CLOEXEC));
  GODWIT_CHECK(fd.valid());
  GODWIT_CHECK(write(fd.get(), content.data(), content.size()) ==
               static_cast<ssize_t>(content.size()));
  // Whoever reads in two steps sees by the time whether it changed between them.
  const timespec times[2] = {{.tv_sec = ++version_, .tv_nsec = 0},
                             {.tv_sec = version_, .tv_nsec = 0}};
  GODWIT_CHECK(futimens(fd.get(), times) == 0);
  return fd;
}

void TlsFolder::MemoryFile::Replace(const std::string& content) {
  const Fd made = Make(content);
  GODWIT_CHECK(dup3(made.get(), fd_.get(), O_CLOEXEC) == fd_.get());
}

TlsFolder::TlsFolder(const TlsMaterial& tls)
    : dir_(tls.dir), present_(tls), identity_(Pair(tls)), ca_(tls.ca), thread_([this] { Run(); }) {}

TlsFolder::~TlsFolder() {
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
}

void TlsFolder::Run() {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kLookEvery)) return;
    }
    Look();
    WatchLife();
  }
}

void TlsFolder::WatchLife() {
  const absl::StatusOr<CertificateLife> life = LifeOf(present_.certificate_chain);
  if (!life.ok()) return;
  const absl::Time now = absl::Now();
  const absl::Status good =
      CheckLife(present_.certificate_chain, dir_ + "/tls.crt", IssueAnew(dir_), now);
  const Age age = !good.ok() ? Age::kEnded : now > life->due() ? Age::kDue : Age::kGood;
  if (age == age_) return;
  age_ = age;
  if (age == Age::kEnded) {
    Log(Severity::kError, "the certificate is not good", {{"error", std::string(good.message())}});
  } else if (age == Age::kDue) {
    Log(Severity::kWarning, "the certificate ends soon",
        {{"certificate", dir_ + "/tls.crt"},
         {"end", absl::FormatTime(life->end, absl::UTCTimeZone())},
         {"do", IssueAnew(dir_)}});
  }
}

void TlsFolder::Look() {
  const absl::StatusOr<TlsMaterial> found = LoadTls(dir_);
  absl::Status status = found.status();
  if (status.ok() && Pair(*found) != Pair(present_)) {
    status = CheckPair(found->certificate_chain, found->private_key);
    if (status.ok()) {
      identity_.Replace(Pair(*found));
      present_.certificate_chain = found->certificate_chain;
      present_.private_key = found->private_key;
      Log(Severity::kInfo, "certificate replaced", {{"folder", dir_}});
    }
  }
  if (found.ok() && found->ca != present_.ca) {
    const absl::Status readable = CertificatePin(found->ca).status();
    if (readable.ok()) {
      ca_.Replace(found->ca);
      present_.ca = found->ca;
      Log(Severity::kInfo, "trusted CAs replaced", {{"folder", dir_}});
    }
    status.Update(readable);
  }
  const std::string text = status.ok() ? "" : status.ToString();
  if (!text.empty() && text != refused_) {
    Log(Severity::kWarning, "certificate not taken yet", {{"folder", dir_}, {"error", text}});
  }
  refused_ = text;
}

}  // namespace godwit::rpc

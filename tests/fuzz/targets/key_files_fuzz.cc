// Key files of groups, and the key pages of files: nobody makes one up that opens.
#include <unistd.h>

#include <cstdlib>

#include "services/common/base/check.h"
#include "services/common/base/file.h"
#include "services/common/crypt/group_key.h"
#include "services/replication/worker/store/file_cipher.h"

namespace {

namespace crypt = godwit::crypt;

// A folder of its own with a master key file and a group's key.
struct Keys {
  Keys() {
    char name[] = "/tmp/godwit-fuzz-XXXXXX";
    GODWIT_CHECK(mkdtemp(name) != nullptr);
    folder = name;
    GODWIT_CHECK(crypt::AddMasterKey(folder + "/master").ok());
    auto loaded = crypt::MasterKeys::Load(folder + "/master");
    GODWIT_CHECK(loaded.ok());
    master = std::make_unique<crypt::MasterKeys>(*std::move(loaded));
    group = *crypt::GroupKey::LoadOrMake(folder, *master);
    good = *godwit::ReadFile(folder + "/group.key");
  }
  ~Keys() {
    unlink((folder + "/master").c_str());
    unlink((folder + "/group.key").c_str());
    rmdir(folder.c_str());
  }
  std::string folder, good;
  std::unique_ptr<crypt::MasterKeys> master;
  crypt::GroupKeyPtr group;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Keys keys;
  const std::string text(reinterpret_cast<const char*>(data), size);
  GODWIT_CHECK(godwit::WriteFileAtomically(keys.folder + "/group.key", text).ok());
  GODWIT_CHECK(!crypt::GroupKey::Load(keys.folder, *keys.master).ok());
  (void)crypt::GroupKey::WrappedBy(keys.folder);
  GODWIT_CHECK(!godwit::store::ReadKeyPage(*keys.group, "journal", text, 128).ok());
  GODWIT_CHECK(!godwit::store::DecryptContent(keys.group, "digests", text, size).ok());
  return 0;
}

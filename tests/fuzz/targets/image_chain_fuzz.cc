// Headers of qcow2 images whose backing chain is read before QEMU is told of it: what is accepted
// names files only.
#include "services/common/base/check.h"
#include "services/common/crypt/qemu_image.h"
#include "tests/fuzz/targets/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const godwit::fuzz::MemoryFile file(data, size);
  const auto chain = godwit::crypt::ReadChain(file.path());
  if (chain.ok()) {
    GODWIT_CHECK(chain->front().path == file.path());
    for (const godwit::crypt::ChainImage& image : *chain) {
      GODWIT_CHECK(image.format == "qcow2" || image.format == "raw");
      GODWIT_CHECK(image.path.find('/') < image.path.find(':'));
    }
  }
  const auto image = godwit::crypt::QemuImage::Open(file.path(), "");
  if (image.ok()) GODWIT_CHECK(chain.ok() && !image->encrypted() && !image->Blockdev().empty());
  return 0;
}

// godwit-replication-worker keys ...: what an operator does with keys, beside running workers.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace godwit::worker {

inline constexpr char kKeyCommands[] =
    "  keys generate            a new first master key in --master-key-file, made when missing\n"
    "  keys list                which master key wraps the key of each group in --store\n"
    "  keys rewrap              wraps the keys of all groups in --store by the first master key\n"
    "  keys url IMAGE           the image and its backing chain as tools of QEMU want it\n"
    "  keys passphrase IMAGE    its secret, for \"--object secret,id=godwit,file=...\"\n"
    "--store may be any folder below which keys are, such as --machines-dir of godwit-jobs.\n";

// `words` come after "keys". Writes to standard output.
absl::Status RunKeyCommand(const std::vector<std::string>& words, const std::string& store,
                           const std::string& master_key_file);

}  // namespace godwit::worker

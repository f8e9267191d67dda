// A store that throws away what it gets: for measuring the way to it.
#pragma once

#include <memory>

#include "services/replication/worker/store/store.h"

namespace godwit::bench {

std::unique_ptr<store::Store> OpenDiscardStore();

}  // namespace godwit::bench

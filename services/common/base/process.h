// How a process that moves much data uses its memory and locks.
#pragma once

namespace godwit {

// To be called first in main. Buffers of megabytes are kept instead of being mapped and unmapped
// for each message, and Abseil does not look for deadlocks at every lock.
void TuneProcess();

}  // namespace godwit

// Abseil's search for deadlocks, which a service cannot afford.
//
// Debian's Abseil (20220623) is built with it: each lock of a mutex looks the mutex up in a graph
// of all mutexes of the process, under one lock. gRPC has several mutexes for each connection and
// call: with ten thousand agents connected 18 % of a machine that ran them, the services and the
// database went there (docs/decisions/0047).
#pragma once

namespace godwit {

// Programs that serve call it first of all. Development builds, whose failpoints are compiled in,
// keep the search: a cycle ends the process there.
void LeaveOutMutexChecks();

}  // namespace godwit

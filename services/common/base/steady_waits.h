// Waits that do not follow steps of the wall clock.
//
// Debian's Abseil (20220623), and gRPC upon it, waits with a time limit until a moment of the wall
// clock: after a step back by an hour a wait of one second takes an hour and one second, whatever
// it is for (heartbeats, deadlines, keepalive). All these waits are one system call through libc's
// syscall(). A program that links this file has a syscall() of its own, which hands the kernel the
// same moment on the monotonic clock instead, and everything else unchanged. Later versions of
// Abseil wait so by themselves.
#pragma once

namespace godwit {

// Does nothing; who calls it has the waits. RealClock() does.
void KeepSteadyWaits();

}  // namespace godwit

// What the eBPF program and the agent share. C, for both compilers.
#pragma once

#include <linux/types.h>

#define GODWIT_PAGE 4096           // blocks of one map entry: 256 MiB of disk
#define GODWIT_SECTORS 128         // 512-byte sectors of a block
#define GODWIT_MARKED_SINGLY 64    // longest request, in blocks, that is marked block by block
#define GODWIT_RANGES 8192         // longer ones between two takes
#define GODWIT_DISCARD_RANGES 256  // of one request
#define GODWIT_SLOTS 16384         // of struct godwit_in_flight; a power of two
#define GODWIT_BIOS 16384          // bios of one disk that are under way, at most
#define GODWIT_LAYOUT 3            // raised whenever the meaning of a map changes

// One byte for each block.
struct godwit_page {
  __u8 bytes[GODWIT_PAGE];
};

// Blocks first to last.
struct godwit_range {
  __u64 first, last;
};

// Sectors that were given to the driver and have not ended, of the blocks with the same number
// modulo GODWIT_SLOTS; in `wide` those of discards, zeroing and requests of more than
// GODWIT_MARKED_SINGLY blocks.
struct godwit_in_flight {
  __s64 slots[GODWIT_SLOTS];
  __s64 wide;
};

// A bio that was submitted and has not ended.
struct godwit_bio {
  __u64 sector;
  __u32 bytes;
  __u16 op;
  __u16 disk;          // of the capture program: index of the disk
  __u64 submitted_ns;  // CLOCK_MONOTONIC
};

enum godwit_completion { GODWIT_REQUESTS = 0, GODWIT_BIO_ENDS = 1 };

struct godwit_meta {
  __u32 layout;
  __s32 major, first_minor;
  __u32 completion;  // enum godwit_completion: what tells that a write has ended
  __u64 block_count;
  // Each of these means that marks may be missing.
  __u64 out_of_range, passthrough, ranges_dropped;
  __u64 bios_dropped, unknown_ends;
  // While the agent finds out whether it is told of completions: its process (0 otherwise), and how
  // many of its reads ended.
  __u64 probe_tgid, probe_ends;
};

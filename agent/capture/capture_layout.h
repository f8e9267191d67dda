// What the capture program and the agent share. C, for both compilers.
#pragma once

#include <linux/types.h>

#include "agent/tracker/dirty_layout.h"

#define GODWIT_CAPTURE_DISKS 64
// Larger bios are not captured (the ring could not hold many of them): counted as lost.
#define GODWIT_CAPTURE_MAX_BYTES (8u << 20)
// Slots of sectors under way, by block number, for each disk; a power of two.
#define GODWIT_CAPTURE_SLOTS 4096
// Blocks of 64 KiB that the largest captured bio touches.
#define GODWIT_CAPTURE_MAX_BLOCKS (GODWIT_CAPTURE_MAX_BYTES / 65536 + 1)
// Without records of dynamic size: at most so many records for one bio.
#define GODWIT_CAPTURE_RECORDS 160

// Head of a record in the ring; `bytes` of content follow for a write, none for zeros.
struct godwit_captured {
  __u64 sector;
  __u32 bytes;
  __u16 disk;
  __u8 zero;  // discard or write-zeroes: the range is to be read from the disk
  __u8 bad;   // the content could not be copied
};

struct godwit_capture_disk {
  __s32 major, first_minor;
  __u32 bio_ends;  // it completes bios, not requests
  // Reads of the agent that ended, while it finds that out.
  __u32 request_reads, bio_reads;
  // Sectors that were submitted and have not ended.
  __s64 slots[GODWIT_CAPTURE_SLOTS];
  __s64 wide;  // of everything that is not a plain write
};

struct godwit_capture_control {
  __u32 enabled;
  // Begin of the capture (bpf_ktime_get_ns) once everything from before it should have ended; 0
  // before that.
  __u64 settled_since;
  // Calibration: the first page of the next read by this process is noted.
  __u32 calibrate_tgid;
  __u64 noted_page;
  __u64 noted_bio;  // of that read
  // page -> address: direct_map + (page - first_page) / sizeof(struct page) * page size
  __u64 first_page, direct_map;
  // peek: what is at an address.
  __u64 peek_address;
  __u64 peek_task;
  __u32 peek_failed;
  __u32 page_struct_bytes;  // size of struct page
  __u8 peeked[64];
  __u64 captured, captured_bytes;
  // Each of these means that a write is missing.
  __u64 dropped, too_large, unreadable;
  // Writes from before the capture that ended after it had settled.
  __u64 late;
};

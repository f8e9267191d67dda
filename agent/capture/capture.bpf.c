// SPDX-License-Identifier: GPL-2.0
// Copies the content of every write to some disks, in the order of submission, into one ring. The
// kernel's licence is asked of programs that use its GPL-only helpers.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "agent/capture/capture_layout.h"

#define PAGE 4096

// Only the members that are read; their places come from the running kernel's type information.
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct page {
  unsigned long flags;
};
struct gendisk {
  int major;
  int first_minor;
};
struct block_device {
  struct gendisk* bd_disk;
};
struct request_queue {
  struct gendisk* disk;
};
// Before Linux 5.15 (5.17 for all drivers) a request, and before 5.12 a bio named its disk itself.
struct request___before {
  struct gendisk* rq_disk;
};
struct bio___before {
  struct gendisk* bi_disk;
};
struct bvec_iter {
  __u64 bi_sector;
  unsigned int bi_size;
  unsigned int bi_idx;
  unsigned int bi_bvec_done;
};
struct bio_vec {
  struct page* bv_page;
  unsigned int bv_len;
  unsigned int bv_offset;
};
struct bio {
  struct block_device* bi_bdev;
  unsigned int bi_opf;
  unsigned char bi_status;
  struct bvec_iter bi_iter;
  void* bi_private;
  struct bio_vec* bi_io_vec;
};
struct request {
  struct request_queue* q;
  unsigned int cmd_flags;
  __u64 __sector;
  __u64 start_time_ns;
};
#pragma clang attribute pop

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 20);
} ring SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct godwit_capture_control);
} control SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct godwit_capture_disk);
} disks SEC(".maps");

// Of disks that complete no requests: bios that were submitted and have not ended, by address.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, GODWIT_BIOS);
  __type(key, __u64);
  __type(value, struct godwit_bio);
} under_way SEC(".maps");

const volatile __u32 disk_count = 0;

enum {
  OP_READ = 0,
  OP_WRITE = 1,
  OP_DISCARD = 3,
  OP_SECURE_ERASE = 5,
  OP_ZONE_APPEND = 7,
  OP_WRITE_ZEROES = 9
};

static __always_inline int changes_data(__u32 op) {
  return op == OP_WRITE || op == OP_DISCARD || op == OP_SECURE_ERASE || op == OP_WRITE_ZEROES ||
         op == OP_ZONE_APPEND;
}

// Functions that are neither inline nor static are checked once by the verifier, whatever calls
// them. Before Linux 5.12 they take numbers only.

// Index of a disk; negative: none of ours.
__attribute__((noinline)) int find_index(int major, int minor) {
  for (__u32 i = 0; i < GODWIT_CAPTURE_DISKS; ++i) {
    if (i >= disk_count) break;
    __u32 key = i;
    struct godwit_capture_disk* found = bpf_map_lookup_elem(&disks, &key);
    if (found && found->major == major && found->first_minor == minor) return (int)i;
  }
  return -1;
}

static __always_inline struct godwit_capture_disk* find(struct gendisk* disk, __u32* index) {
  int found = find_index(BPF_CORE_READ(disk, major), BPF_CORE_READ(disk, first_minor));
  if (found < 0) return 0;
  *index = (__u32)found;
  return bpf_map_lookup_elem(&disks, index);
}

static __always_inline struct gendisk* disk_of(struct bio* bio) {
  if (bpf_core_field_exists(struct bio, bi_bdev)) return BPF_CORE_READ(bio, bi_bdev, bd_disk);
  return BPF_CORE_READ((struct bio___before*)bio, bi_disk);
}

static __always_inline struct gendisk* disk_of_request(struct request* rq) {
  if (bpf_core_field_exists(struct request_queue, disk)) return BPF_CORE_READ(rq, q, disk);
  return BPF_CORE_READ((struct request___before*)rq, rq_disk);
}

// Adds or subtracts a plain write. What is larger than can be captured is not accounted: its late
// end is noticed nevertheless.
__attribute__((noinline)) int account_write(__u32 index, __u64 begin, __u64 bytes, int ended) {
  struct godwit_capture_disk* disk = bpf_map_lookup_elem(&disks, &index);
  if (!disk || bytes > GODWIT_CAPTURE_MAX_BYTES) return 0;
  __u64 end = begin + (bytes + 511) / 512, first = begin / 128;
  for (__u32 i = 0; i < GODWIT_CAPTURE_MAX_BLOCKS; ++i) {
    __u64 from = (first + i) * 128, to = from + 128;
    if (from >= end) break;
    if (from < begin) from = begin;
    if (to > end) to = end;
    __s64 part = (__s64)(to - from);
    __sync_fetch_and_add(&disk->slots[(first + i) & (GODWIT_CAPTURE_SLOTS - 1)],
                         ended ? -part : part);
  }
  return 0;
}

static __always_inline void account(struct godwit_capture_disk* disk, __u32 index, __u32 op,
                                    __u64 begin, __u64 bytes, int ended) {
  __s64 sectors = (__s64)((bytes + 511) / 512);
  if (op == OP_WRITE) {
    account_write(index, begin, bytes, ended);
  } else {
    __sync_fetch_and_add(&disk->wide, ended ? -sectors : sectors);
  }
}

struct copying {
  struct bpf_dynptr* out;
  struct bio_vec* vectors;
  __u64 first_page, direct_map;
  __u32 index, done, left, at;
  int bad;
};

static long copy_piece(__u32 i, struct copying* copy) {
  if (copy->left == 0) return 1;
  struct bio_vec* vector = (void*)copy->vectors + copy->index * bpf_core_type_size(struct bio_vec);
  __u64 page = (__u64)BPF_CORE_READ(vector, bv_page);
  __u32 length = BPF_CORE_READ(vector, bv_len), offset = BPF_CORE_READ(vector, bv_offset);
  __u32 size = length - copy->done;
  if (size > copy->left) size = copy->left;
  // No signed division in this instruction set; pages below the first one do not exist.
  __u64 address = copy->direct_map +
                  (page - copy->first_page) / bpf_core_type_size(struct page) * PAGE + offset +
                  copy->done;
  if (size >= PAGE) {
    size = PAGE;
    void* out = bpf_dynptr_data(copy->out, copy->at, PAGE);
    if (!out || bpf_probe_read_kernel(out, PAGE, (void*)address)) copy->bad = 1;
  } else if (size >= 512) {
    size = 512;
    void* out = bpf_dynptr_data(copy->out, copy->at, 512);
    if (!out || bpf_probe_read_kernel(out, 512, (void*)address)) copy->bad = 1;
  } else {  // direct I/O from buffers that are not aligned to sectors
    __u8 piece[64];
    __u64 part = size > sizeof piece ? sizeof piece : size;
    asm volatile("" : "+r"(part));  // the verifier wants to see the bounds of what is used
    if (part == 0 || part > sizeof piece || bpf_probe_read_kernel(piece, part, (void*)address) ||
        bpf_dynptr_write(copy->out, copy->at, piece, part, 0))
      copy->bad = 1;
    size = part;
  }
  if (copy->bad) return 1;
  copy->left -= size;
  copy->at += size;
  copy->done += size;
  if (copy->done >= length) {
    copy->done = 0;
    ++copy->index;
  }
  return 0;
}

static __always_inline void capture(struct godwit_capture_control* state, struct bio* bio,
                                    __u32 disk, __u32 op) {
  struct godwit_captured head = {.sector = BPF_CORE_READ(bio, bi_iter.bi_sector),
                                 .bytes = BPF_CORE_READ(bio, bi_iter.bi_size),
                                 .disk = disk,
                                 .zero = op != OP_WRITE};
  __u32 content = head.zero ? 0 : head.bytes;
  if (content > GODWIT_CAPTURE_MAX_BYTES || op == OP_ZONE_APPEND) {
    __sync_fetch_and_add(&state->too_large, 1);
    return;
  }
  struct bpf_dynptr out;
  if (bpf_ringbuf_reserve_dynptr(&ring, sizeof head + content, 0, &out)) {
    bpf_ringbuf_discard_dynptr(&out, BPF_RB_NO_WAKEUP);
    __sync_fetch_and_add(&state->dropped, 1);
    return;
  }
  if (content > 0) {
    struct copying copy = {.out = &out,
                           .vectors = BPF_CORE_READ(bio, bi_io_vec),
                           .first_page = state->first_page,
                           .direct_map = state->direct_map,
                           .index = BPF_CORE_READ(bio, bi_iter.bi_idx),
                           .done = BPF_CORE_READ(bio, bi_iter.bi_bvec_done),
                           .left = content,
                           .at = sizeof head};
    bpf_loop(content / 64 + 512, copy_piece, &copy, 0);
    if (copy.left || copy.bad) {
      head.bad = 1;
      __sync_fetch_and_add(&state->unreadable, 1);
    }
  }
  bpf_dynptr_write(&out, 0, &head, sizeof head, 0);
  bpf_ringbuf_submit_dynptr(&out, BPF_RB_NO_WAKEUP);
  __sync_fetch_and_add(&state->captured, 1);
  __sync_fetch_and_add(&state->captured_bytes, content);
}

// A range whose content is to be asked of the disk.
static __always_inline void capture_unread(struct godwit_capture_control* state, __u32 disk,
                                           __u64 sector, __u32 bytes) {
  struct godwit_captured* head = bpf_ringbuf_reserve(&ring, sizeof *head, 0);
  if (!head) {
    __sync_fetch_and_add(&state->dropped, 1);
    return;
  }
  head->sector = sector;
  head->bytes = bytes;
  head->disk = disk;
  head->zero = 1;
  head->bad = 0;
  bpf_ringbuf_submit(head, BPF_RB_NO_WAKEUP);
}

#include "agent/capture/capture_ends.bpf.h"
#include "agent/capture/capture_fixed.bpf.h"

static __always_inline void note_read(struct godwit_capture_control* state, struct bio* bio) {
  if (state->calibrate_tgid == 0 || state->calibrate_tgid != bpf_get_current_pid_tgid() >> 32 ||
      state->noted_page != 0)
    return;
  struct bio_vec* vector = BPF_CORE_READ(bio, bi_io_vec);
  state->noted_bio = (__u64)bio;
  state->noted_page = (__u64)BPF_CORE_READ(vector, bv_page) +
                      BPF_CORE_READ(vector, bv_offset) / PAGE * bpf_core_type_size(struct page);
}

// What both variants do before the content is copied: 1 when it is to be.
static __always_inline int begin_bio(struct godwit_capture_control* state, struct bio* bio,
                                     __u32* op, __u32* index) {
  *op = BPF_CORE_READ(bio, bi_opf) & 0xff;
  if (*op == OP_READ) note_read(state, bio);
  if (!changes_data(*op)) return 0;
  struct godwit_capture_disk* disk = find(disk_of(bio), index);
  if (!disk) return 0;
  struct godwit_bio noted = {.sector = BPF_CORE_READ(bio, bi_iter.bi_sector),
                             .bytes = BPF_CORE_READ(bio, bi_iter.bi_size),
                             .op = *op,
                             .disk = *index};
  if (disk->bio_ends) note_bio(disk, bio, &noted);  // a flush of nothing, too: its end is seen
  if (noted.bytes == 0) return 0;
  if (!disk->bio_ends) account(disk, *index, *op, noted.sector, noted.bytes, 0);
  return state->enabled != 0;
}

// Once for each bio as it was submitted: before it is split or merged, its sector on the whole
// disk.
SEC("tp_btf/block_bio_queue")
int BPF_PROG(submitted, struct bio* bio) {
  __u32 zero = 0, op = 0, index = 0;
  struct godwit_capture_control* state = bpf_map_lookup_elem(&control, &zero);
  if (state && begin_bio(state, bio, &op, &index)) capture(state, bio, index, op);
  return 0;
}

static __always_inline int submit_fixed(struct bio* bio) {
  __u32 zero = 0, op = 0, index = 0;
  struct godwit_capture_control* state = bpf_map_lookup_elem(&control, &zero);
  if (state && begin_bio(state, bio, &op, &index)) capture_fixed(state, bio, index, op);
  return 0;
}

SEC("tp_btf/block_bio_queue")
int BPF_PROG(submitted_fixed, struct bio* bio) { return submit_fixed(bio); }

// The same before Linux 5.11.
SEC("tp_btf/block_bio_queue")
int BPF_PROG(submitted_before, struct request_queue* q, struct bio* bio) {
  return submit_fixed(bio);
}

// Run by the agent itself: what is at peek_address, and where the running task is.
SEC("raw_tp")
int peek(void* unused) {
  __u32 zero = 0;
  struct godwit_capture_control* state = bpf_map_lookup_elem(&control, &zero);
  if (!state) return 0;
  state->peek_task = bpf_get_current_task();
  state->page_struct_bytes = bpf_core_type_size(struct page);
  state->peek_failed =
      bpf_probe_read_kernel(state->peeked, sizeof state->peeked, (void*)state->peek_address) != 0;
  return 0;
}

char LICENSE[] SEC("license") = "GPL";

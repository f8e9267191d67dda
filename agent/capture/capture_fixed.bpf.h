// SPDX-License-Identifier: GPL-2.0
// Part of capture.bpf.c, for kernels whose ring buffers take records of a constant size only (5.8
// to 5.18) and that have no bpf_loop (before 5.17): a write becomes several records of some sizes,
// each of which says for itself where it belongs.
//
// Between two records of a write others may come, and a point may lie there: the write had not been
// submitted in whole, so a power cut could have left a part of it.
//
// Each record is made by a global function, which the verifier checks once and not for each call.
// On kernels before 5.12 those take numbers alone, so what they work on lies in memory of the
// processor; whoever interrupts its user (a tracing program is not preempted) finds it in use.
#pragma once

#define PIECES 32  // of one record: whoever has smaller ones gets more records

struct fixed_copy {
  __u64 in_use;
  __u64 vectors, first_page, direct_map;
  __u64 sector;
  __u32 index, done;  // vector, and bytes of it
  __u32 left;
  __u32 at;  // in the content of the present record
  __u32 disk;
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct fixed_copy);
} fixed SEC(".maps");

// Room behind the content: the verifier does not see that place and size together stay within it.
#define GODWIT_RECORD(BYTES)     \
  struct record_##BYTES {        \
    struct godwit_captured head; \
    __u8 content[BYTES + PAGE];  \
  }
GODWIT_RECORD(4096);
GODWIT_RECORD(16384);
GODWIT_RECORD(65536);

// How much of `copy` was copied to `content`, whose size is `most` (a power of two) and a page.
// What changes from piece to piece lies in memory, where the verifier does not follow it: all
// rounds of the loop look alike to it.
static __always_inline __u32 copy_pieces(struct fixed_copy* copy, __u8* content, const __u32 most) {
  volatile struct fixed_copy* now = copy;
  now->at = 0;
  for (__u32 i = 0; i < PIECES; ++i) {
    __u32 at = now->at, left = now->left;
    if (left == 0 || at >= most) break;
    struct bio_vec* vector =
        (void*)(now->vectors + (__u64)now->index * bpf_core_type_size(struct bio_vec));
    __u64 page = (__u64)BPF_CORE_READ(vector, bv_page);
    __u32 length = BPF_CORE_READ(vector, bv_len), offset = BPF_CORE_READ(vector, bv_offset);
    __u32 done = now->done, size = length - done;
    if (size > left) size = left;
    if (size > most - at) size = most - at;
    __u64 address = now->direct_map +
                    (page - now->first_page) / bpf_core_type_size(struct page) * PAGE + offset +
                    done;
    __u64 part = size, place = at;
    asm volatile("" : "+r"(part), "+r"(place));  // bounds that the verifier is to see
    if (part > PAGE) part = PAGE;
    place &= most - 1;
    if (part == 0 || bpf_probe_read_kernel(content + place, part, (void*)address)) return 0;
    now->at = at + part;
    now->left = left - part;
    now->done = done + part;
    if (done + part >= length) {
      now->done = 0;
      now->index = now->index + 1;
    }
  }
  return now->at;
}

// 0: a record was made. Noinline and not static: a function of its own for the verifier.
#define GODWIT_RECORD_MAKER(BYTES)                                                 \
  __attribute__((noinline)) int make_##BYTES(int unused) {                         \
    __u32 zero = 0;                                                                \
    struct fixed_copy* copy = bpf_map_lookup_elem(&fixed, &zero);                  \
    struct godwit_capture_control* state = bpf_map_lookup_elem(&control, &zero);   \
    if (!copy || !state) return 1;                                                 \
    struct record_##BYTES* record = bpf_ringbuf_reserve(&ring, sizeof *record, 0); \
    if (!record) {                                                                 \
      __sync_fetch_and_add(&state->dropped, 1);                                    \
      return 1;                                                                    \
    }                                                                              \
    __u32 bytes = copy_pieces(copy, record->content, BYTES);                       \
    record->head.sector = copy->sector;                                            \
    record->head.bytes = bytes;                                                    \
    record->head.disk = copy->disk;                                                \
    record->head.zero = 0;                                                         \
    record->head.bad = bytes == 0 || bytes % 512 != 0;                             \
    int bad = record->head.bad;                                                    \
    copy->sector += bytes / 512;                                                   \
    bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);                                  \
    if (bad) __sync_fetch_and_add(&state->unreadable, 1);                          \
    return bad;                                                                    \
  }
GODWIT_RECORD_MAKER(4096)
GODWIT_RECORD_MAKER(16384)
GODWIT_RECORD_MAKER(65536)

static __always_inline void capture_content(struct godwit_capture_control* state,
                                            struct fixed_copy* copy) {
  volatile struct fixed_copy* now = copy;
  for (__u32 i = 0; i < GODWIT_CAPTURE_RECORDS; ++i) {
    __u32 left = now->left;
    if (left == 0) return;
    int failed = left >= 32768 ? make_65536(0) : left >= 8192 ? make_16384(0) : make_4096(0);
    if (failed) return;  // counted
  }
  if (now->left != 0) __sync_fetch_and_add(&state->unreadable, 1);
}

static __always_inline void capture_fixed(struct godwit_capture_control* state, struct bio* bio,
                                          __u32 disk, __u32 op) {
  __u32 zero = 0, bytes = BPF_CORE_READ(bio, bi_iter.bi_size);
  struct fixed_copy* copy = bpf_map_lookup_elem(&fixed, &zero);
  if (op == OP_ZONE_APPEND || (op == OP_WRITE && bytes > GODWIT_CAPTURE_MAX_BYTES)) {
    __sync_fetch_and_add(&state->too_large, 1);
    return;
  }
  if (op != OP_WRITE) {
    capture_unread(state, disk, BPF_CORE_READ(bio, bi_iter.bi_sector), bytes);
  } else if (!copy || copy->in_use) {
    __sync_fetch_and_add(&state->dropped, 1);
    return;
  } else {
    copy->in_use = 1;
    copy->vectors = (__u64)BPF_CORE_READ(bio, bi_io_vec);
    copy->first_page = state->first_page;
    copy->direct_map = state->direct_map;
    copy->sector = BPF_CORE_READ(bio, bi_iter.bi_sector);
    copy->index = BPF_CORE_READ(bio, bi_iter.bi_idx);
    copy->done = BPF_CORE_READ(bio, bi_iter.bi_bvec_done);
    copy->left = bytes;
    copy->disk = disk;
    capture_content(state, copy);
    copy->in_use = 0;
  }
  __sync_fetch_and_add(&state->captured, 1);
  __sync_fetch_and_add(&state->captured_bytes, op == OP_WRITE ? bytes : 0);
}

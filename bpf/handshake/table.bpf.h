/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Tables of what is unfinished, by socket cookie. Cookies are handed out in order, so the entry at `cookie modulo size` is free unless something
 * older than `size` sockets is still unfinished there; then the newer one goes into an ordinary hash map. So nearly every handshake does without
 * the locks of a hash map and without the allocations of socket storage.
 */
#ifndef SYNSCOPE_TABLE_BPF_H
#define SYNSCOPE_TABLE_BPF_H

#include "../claim.bpf.h"

/* Set by the loader before the load: entries of each table, a power of two, less one. */
const volatile __u32 table_mask = 16383;
/*
 * Defines the maps NAMEs and NAMEs_overflow of `struct NAME`, which begins with `__u64 claims, cookie`, both 0 in a free entry, and:
 *   NAME_find(cookie)         the entry, or NULL
 *   NAME_insert(&entry)       false if there is no room
 *   NAME_remove(cookie)       frees it
 */
#define DEFINE_TABLE(NAME)                                                                                                                     \
	struct {                                                                                                                               \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                                                              \
		__uint(max_entries, 16384);                                                                                                    \
		__type(key, __u32);                                                                                                            \
		__type(value, struct NAME);                                                                                                    \
	} NAME##s SEC(".maps");                                                                                                                \
                                                                                                                                               \
	struct {                                                                                                                               \
		__uint(type, BPF_MAP_TYPE_HASH);                                                                                               \
		__uint(max_entries, 4096);                                                                                                     \
		__type(key, __u64);                                                                                                            \
		__type(value, struct NAME);                                                                                                    \
	} NAME##s_overflow SEC(".maps");                                                                                                       \
                                                                                                                                               \
	/* How many are in the overflow map: lets those who find nothing in the table spare the second look. */                                \
	volatile __u64 NAME##s_overflowed = 0;                                                                                                 \
                                                                                                                                               \
	static __always_inline struct NAME *NAME##_find(__u64 cookie)                                                                         \
	{                                                                                                                                      \
		__u32 at = cookie & table_mask;                                                                                                \
		struct NAME *entry = bpf_map_lookup_elem(&NAME##s, &at);                                                                       \
                                                                                                                                               \
		if (entry && entry->cookie == cookie)                                                                                          \
			return entry;                                                                                                          \
		return NAME##s_overflowed ? bpf_map_lookup_elem(&NAME##s_overflow, &cookie) : NULL;                                            \
	}                                                                                                                                      \
                                                                                                                                               \
	static __always_inline bool NAME##_insert(const struct NAME *from)                                                                     \
	{                                                                                                                                      \
		__u32 at = from->cookie & table_mask;                                                                                          \
		struct NAME *entry = bpf_map_lookup_elem(&NAME##s, &at);                                                                       \
                                                                                                                                               \
		if (entry && claim(&entry->claims)) {                                                                                          \
			__builtin_memcpy((void *)entry + 8, (const void *)from + 8, sizeof(*entry) - 8);                                       \
			return true;                                                                                                           \
		}                                                                                                                              \
		if (bpf_map_update_elem(&NAME##s_overflow, &from->cookie, from, BPF_ANY))                                                      \
			return false;                                                                                                          \
		__sync_fetch_and_add(&NAME##s_overflowed, 1);                                                                                  \
		return true;                                                                                                                   \
	}                                                                                                                                      \
                                                                                                                                               \
	static __always_inline void NAME##_remove(__u64 cookie)                                                                                \
	{                                                                                                                                      \
		__u32 at = cookie & table_mask;                                                                                                \
		struct NAME *entry = bpf_map_lookup_elem(&NAME##s, &at);                                                                       \
                                                                                                                                               \
		if (entry && entry->cookie == cookie) {                                                                                        \
			*(volatile __u64 *)&entry->cookie = 0;                                                                                 \
			__sync_fetch_and_add(&entry->claims, -1);                                                                              \
		} else if (NAME##s_overflowed && !bpf_map_delete_elem(&NAME##s_overflow, &cookie)) {                                           \
			__sync_fetch_and_add(&NAME##s_overflowed, -1);                                                                         \
		}                                                                                                                              \
	}

#endif

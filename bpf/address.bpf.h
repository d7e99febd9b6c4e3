/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef SYNSCOPE_ADDRESS_BPF_H
#define SYNSCOPE_ADDRESS_BPF_H

#include <bpf/bpf_endian.h>
#include <linux/types.h>

/* IPv4 as ::ffff:a.b.c.d (RFC 4291 §2.5.5.2). */
static __always_inline void set_ipv4(__u8 address[16], __u32 ipv4)
{
	__u32 *words = (__u32 *)address;

	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = ipv4;
}

#endif

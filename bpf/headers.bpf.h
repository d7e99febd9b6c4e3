/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* IP and transport headers of packets at cgroup_skb hooks, whose data begin with the IP header. */
#ifndef SYNSCOPE_HEADERS_BPF_H
#define SYNSCOPE_HEADERS_BPF_H

#include "kernel_types.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct ipv4 {
	__u8 version_ihl;
	__u8 tos;
	__be16 length;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__be16 checksum;
	__be32 source;
	__be32 destination;
};

struct ipv6 {
	__u8 version;
	__u8 reserved[3];
	__be16 payload_length;
	__u8 next_header;
	__u8 hop_limit;
	__u8 source[16];
	__u8 destination[16];
};

struct ports {
	__be16 source;
	__be16 destination;
};

struct tcp {
	struct ports ports;
	__be32 sequence;
	__be32 acknowledgement;
	__u8 data_offset; /* upper half: words */
	__u8 flags;
};

#define IPV4_FRAGMENT_OFFSET 0x1fff
/* IPv6 extension headers that may stand before UDP or TCP, and how many are looked through. */
#define IPV6_HOP_BY_HOP 0
#define IPV6_ROUTING 43
#define IPV6_FRAGMENT 44
#define IPV6_DESTINATION 60
#define IPV6_EXTENSIONS_MAX 6

/* A transport header: its offset above the 8 bits of its protocol; 0 if there is none that concerns us. */
static __always_inline __u32 transport_ipv4(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ipv4 *ip = data;

	if (data + sizeof(*ip) > end || (ip->fragment & bpf_htons(IPV4_FRAGMENT_OFFSET)))
		return 0;
	return (ip->version_ihl & 15) * 4 << 8 | ip->protocol;
}

static __always_inline __u32 transport_ipv6(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ipv6 *ip = data;
	__u32 offset = sizeof(*ip);
	__u8 next;

	if (data + sizeof(*ip) > end)
		return 0;
	next = ip->next_header;
	for (int i = 0; i < IPV6_EXTENSIONS_MAX && next != IPPROTO_UDP && next != IPPROTO_TCP; i++) {
		struct {
			__u8 next;
			__u8 length;
			__be16 fragment;
		} extension;

		if (next != IPV6_HOP_BY_HOP && next != IPV6_ROUTING && next != IPV6_FRAGMENT && next != IPV6_DESTINATION)
			return 0;
		if (bpf_skb_load_bytes(skb, offset, &extension, sizeof(extension)))
			return 0;
		if (next == IPV6_FRAGMENT && extension.fragment & bpf_htons(0xfff8))
			return 0;
		offset += next == IPV6_FRAGMENT ? 8 : (extension.length + 1) * 8;
		next = extension.next;
	}
	return offset << 8 | next;
}

__noinline __u32 transport(struct __sk_buff *skb)
{
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return transport_ipv4(skb);
	return skb->protocol == bpf_htons(ETH_P_IPV6) ? transport_ipv6(skb) : 0;
}

#endif

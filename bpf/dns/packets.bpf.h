/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* From a packet to the DNS messages in it. */
#ifndef SYNSCOPE_DNS_PACKETS_BPF_H
#define SYNSCOPE_DNS_PACKETS_BPF_H

#include "../address.bpf.h"
#include "../headers.bpf.h"
#include "../kernel_types.h"
#include "streams.bpf.h"

/* Bit n: a session watches port n. Set by the loader; which session, the filter knows. */
__u64 dns_ports[65536 / 64];

static __always_inline bool is_dns_port(__u16 port)
{
	return dns_ports[port / 64 & 1023] >> port % 64 & 1;
}

#define UDP_HEADER_BYTES 8

/* RFC 5771, RFC 4291 §2.7. Who asks a group (mDNS, LLMNR) gets none, one or many answers from other addresses: no query with one end. */
static __always_inline bool is_multicast(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct ipv4 *ip = data;

		return data + sizeof(*ip) > end || (ip->destination & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000);
	} else {
		struct ipv6 *ip = data;

		return data + sizeof(*ip) > end || ip->destination[0] == 0xff;
	}
}

static __always_inline void fill_addresses(struct __sk_buff *skb, struct dns_place *place, bool from_client)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__u8 *source = from_client ? place->client_address : place->server_address;
	__u8 *destination = from_client ? place->server_address : place->client_address;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct ipv4 *ip = data;

		if (data + sizeof(*ip) > end)
			return;
		set_ipv4(source, ip->source);
		set_ipv4(destination, ip->destination);
	} else {
		struct ipv6 *ip = data;

		if (data + sizeof(*ip) > end)
			return;
		__builtin_memcpy(source, ip->source, 16);
		__builtin_memcpy(destination, ip->destination, 16);
	}
}

/* Whom the packet is from and to, by its direction and where the DNS port is. */
static __always_inline void fill_place(struct __sk_buff *skb, struct dns_message *message, const struct ports *ports, bool from_client)
{
	__u16 source = bpf_ntohs(ports->source), destination = bpf_ntohs(ports->destination);

	message->place.client_port = from_client ? source : destination;
	message->place.server_port = from_client ? destination : source;
	fill_addresses(skb, &message->place, from_client);
}

static __always_inline void datagram(struct __sk_buff *skb, struct dns_message *message, __u32 number, __u32 offset)
{
	__u32 begin = offset + UDP_HEADER_BYTES;
	__u64 part;

	if (skb->len < begin)
		return;
	part = message_part(skb->len - begin);
	/* What is shorter is no message, and is counted as such. */
	if (part && bpf_skb_load_bytes(skb, begin, message->bytes, part))
		part = 0;
	message->available = part;
	message_handle(number);
}

static __always_inline void tcp_segment(struct __sk_buff *skb, __u32 number, __u32 offset)
{
	struct tcp tcp;
	__u32 payload;

	if (bpf_skb_load_bytes(skb, offset, &tcp, sizeof(tcp)))
		return;
	payload = offset + (tcp.data_offset >> 4) * 4;
	if (payload >= skb->len)
		return;
	segment(skb, payload, bpf_ntohl(tcp.sequence), number);
}

static __always_inline void packet(struct __sk_buff *skb, bool egress)
{
	struct dns_message *message;
	struct ports ports;
	__u32 header = transport(skb), offset = header >> 8, number;
	__u8 protocol = header;
	bool to_server, from_server;
	__u8 side;

	if (!offset || (protocol != IPPROTO_UDP && protocol != IPPROTO_TCP) || bpf_skb_load_bytes(skb, offset, &ports, sizeof(ports)))
		return;
	to_server = is_dns_port(bpf_ntohs(ports.destination));
	from_server = is_dns_port(bpf_ntohs(ports.source));
	if ((!to_server && !from_server) || is_multicast(skb))
		return;
	side = egress == to_server ? SIDE_CLIENT : SIDE_RESOLVER;
	if (!filters[generation()].end_slots[side] && !(to_server && from_server))
		return;
	number = message_claim();
	message = message_at(number);
	if (!message)
		return;
	message->now_ns = bpf_ktime_get_ns();
	message->cookie = bpf_get_socket_cookie(skb);
	message->netns = 0;
	message->egress = egress;
	message->to_server = to_server;
	message->either_way = to_server && from_server;
	message->place.side = side;
	fill_place(skb, message, &ports, to_server);
	if (protocol == IPPROTO_UDP) {
		message->place.transport = TRANSPORT_UDP;
		datagram(skb, message, number, offset);
	} else {
		message->place.transport = TRANSPORT_TCP;
		tcp_segment(skb, number, offset);
	}
	message_release(number);
}

#endif

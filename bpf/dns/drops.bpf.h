/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What sockets and hosts could not take: full receive queues, and answers to sockets that are closed. */
#ifndef SYNSCOPE_DNS_DROPS_BPF_H
#define SYNSCOPE_DNS_DROPS_BPF_H

#include "packets.bpf.h"

/* In: the first drop of a socket, cause and period. Out: by the loader, once a period. Full: counted in pending_table_full. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct drop_key);
	__type(value, struct drop_value);
} drops SEC(".maps");

/* Flipped by the loader. */
volatile __u32 drop_period = 0;

static __always_inline void fill_drop(struct receive_queue_drop_record *record, struct sock *socket, __u32 cause)
{
	struct dns_sender *sender;
	__u32 number;

	record->cause = cause;
	record->local_port = socket->__sk_common.skc_num;
	record->receive_buffer_bytes = socket->sk_rcvbuf;
	record->netns = socket->__sk_common.skc_net.net->ns.inum;
	record->side = is_dns_port(record->local_port) ? SIDE_RESOLVER : SIDE_CLIENT;
	if (socket->__sk_common.skc_family == AF_INET)
		set_ipv4(record->local_address, socket->__sk_common.skc_rcv_saddr);
	else
		bpf_probe_read_kernel(record->local_address, 16, &socket->__sk_common.skc_v6_rcv_saddr);
	number = sender_number(socket->__sk_common.skc_cookie.counter);
	sender = bpf_map_lookup_elem(&senders, &number);
	if (!sender)
		return;
	record->pid = sender->pid;
	record->cgroup_id = sender->cgroup_id;
	__builtin_memcpy(record->process_name, sender->process_name, PROCESS_NAME_LENGTH);
}

/* The count comes from here and not from the socket's sk_drops, which kernels from 6.18 on keep elsewhere. */
SEC("tp_btf/udp_fail_queue_rcv_skb")
int BPF_PROG(dns_receive_queue_drop, int error, struct sock *socket)
{
	struct drop_key key = {.socket = (__u64)socket, .cause = error == -ENOMEM ? DROP_BUFFER_FULL : DROP_MEMORY_LIMIT, .period = drop_period & 1};
	struct drop_value *value, fresh = {.drops = 1};
	struct counters *c;

	if (!is_dns_port(socket->__sk_common.skc_num) && !is_dns_port(bpf_ntohs(socket->__sk_common.skc_dport)))
		return 0;
	value = bpf_map_lookup_elem(&drops, &key);
	if (!value) {
		fill_drop(&fresh.record, socket, key.cause);
		if (!bpf_map_update_elem(&drops, &key, &fresh, BPF_NOEXIST))
			return 0;
		/* Another CPU was first, or there is no room. */
		value = bpf_map_lookup_elem(&drops, &key);
	}
	if (value) {
		__sync_fetch_and_add(&value->drops, 1);
		return 0;
	}
	c = counters();
	if (c)
		c->pending_table_full++;
	return 0;
}

/* Set by the loader before the load: SKB_DROP_REASON_NO_SOCKET of this kernel. */
const volatile int reason_no_socket = 0;

/* The addresses of a dropped packet, as the host that dropped it sees them; false if it is none of ours. */
static __always_inline bool read_dropped(struct sk_buff *skb, struct dns_message *message)
{
	unsigned char *head = skb->head;
	struct ports ports;

	/* Unset transport header: not yet, or never, in UDP's hands (include/linux/skbuff.h skb_transport_header_was_set). */
	if (skb->transport_header == (__u16)~0U || skb->transport_header <= skb->network_header)
		return false;
	if (bpf_probe_read_kernel(&ports, sizeof(ports), head + skb->transport_header) || !is_dns_port(bpf_ntohs(ports.source)))
		return false;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct ipv4 ip;

		if (bpf_probe_read_kernel(&ip, sizeof(ip), head + skb->network_header) || ip.protocol != IPPROTO_UDP)
			return false;
		set_ipv4(message->place.client_address, ip.destination);
		set_ipv4(message->place.server_address, ip.source);
	} else {
		struct ipv6 ip;

		if (bpf_probe_read_kernel(&ip, sizeof(ip), head + skb->network_header) || ip.next_header != IPPROTO_UDP)
			return false;
		__builtin_memcpy(message->place.client_address, ip.destination, 16);
		__builtin_memcpy(message->place.server_address, ip.source, 16);
	}
	message->place.client_port = bpf_ntohs(ports.destination);
	message->place.server_port = bpf_ntohs(ports.source);
	message->place.transport = TRANSPORT_UDP;
	return true;
}

/* An answer to a socket that the client has closed in the meantime: late, as its true latency shows. */
SEC("tp_btf/kfree_skb")
int BPF_PROG(dns_late_after_close, struct sk_buff *skb, void *location, int reason)
{
	struct dns_message *message;
	__u32 number;
	__u64 part;

	if (reason != reason_no_socket || !filters[generation()].end_slots[SIDE_CLIENT] ||
	    (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6)))
		return 0;
	number = message_claim();
	message = message_at(number);
	if (!message)
		return 0;
	if (read_dropped(skb, message)) {
		unsigned char *payload = skb->head + skb->transport_header + UDP_HEADER_BYTES;
		struct net_device *device = skb->dev;
		__be16 udp_length;

		message->now_ns = bpf_ktime_get_ns();
		message->cookie = 0;
		message->egress = false;
		message->to_server = false;
		message->either_way = false;
		message->netns = device ? device->nd_net.net->ns.inum : 0;
		part = bpf_probe_read_kernel(&udp_length, sizeof(udp_length), payload - 4) ? 0 : message_part(bpf_ntohs(udp_length) - UDP_HEADER_BYTES);
		if (part && bpf_probe_read_kernel(message->bytes, part, payload))
			part = 0;
		message->available = part;
		message->place.side = SIDE_CLIENT;
		if (message_read(number) == MESSAGE_ANSWER) {
			message->place_hash = hash_place(&message->place);
			query_ends(message, number, true);
		}
	}
	message_release(number);
	return 0;
}

#endif

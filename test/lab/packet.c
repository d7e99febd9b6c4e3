/* SPDX-License-Identifier: Apache-2.0 */
#include "packet.h"

#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

#define RULES_MAX 16
/* Connections that one rule can tell apart; beyond that its packets pass. */
#define RULE_CONNECTIONS_MAX 4096

const char *const packet_kind_names[KIND_COUNT + 1] = {
	[KIND_OTHER] = "other", [KIND_SYN] = "syn", [KIND_SYN_ACK] = "synack", [KIND_ACK] = "ack",
	[KIND_DATA] = "data",	[KIND_FIN] = "fin", [KIND_RST] = "rst",	       [KIND_UDP] = "udp", [KIND_ANY] = "any",
};

struct connection {
	struct in6_addr address_a, address_b;
	uint16_t port_a, port_b;
	uint64_t dropped;
};

static struct {
	struct drop_rule rule;
	uint64_t dropped;
	struct connection connections[RULE_CONNECTIONS_MAX];
	size_t connection_count;
} rules[RULES_MAX];
static size_t rule_count;

static enum packet_kind tcp_kind(const struct tcphdr *tcp, uint32_t payload)
{
	if (tcp->rst)
		return KIND_RST;
	if (tcp->syn)
		return tcp->ack ? KIND_SYN_ACK : KIND_SYN;
	if (tcp->fin)
		return KIND_FIN;
	return payload > 0 ? KIND_DATA : KIND_ACK;
}

static void parse_tcp(const uint8_t *bytes, size_t length, struct packet_info *info)
{
	struct tcphdr tcp;
	size_t header;

	if (length < sizeof(tcp))
		return;
	memcpy(&tcp, bytes, sizeof(tcp));
	header = tcp.doff * 4U;
	if (header < sizeof(tcp) || header > length)
		return;
	info->source_port = ntohs(tcp.source);
	info->destination_port = ntohs(tcp.dest);
	info->seq = ntohl(tcp.seq);
	info->ack = ntohl(tcp.ack_seq);
	info->payload = length - header;
	info->kind = tcp_kind(&tcp, info->payload);
}

static void parse_udp(const uint8_t *bytes, size_t length, struct packet_info *info)
{
	struct udphdr udp;

	if (length < sizeof(udp))
		return;
	memcpy(&udp, bytes, sizeof(udp));
	info->kind = KIND_UDP;
	info->source_port = ntohs(udp.source);
	info->destination_port = ntohs(udp.dest);
	info->payload = length - sizeof(udp);
	if (info->payload >= 2)
		info->message_id = bytes[sizeof(udp)] << 8 | bytes[sizeof(udp) + 1];
}

static void parse_transport(uint8_t protocol, const uint8_t *bytes, size_t length, struct packet_info *info)
{
	if (protocol == IPPROTO_TCP)
		parse_tcp(bytes, length, info);
	else if (protocol == IPPROTO_UDP)
		parse_udp(bytes, length, info);
}

static void map_ipv4(struct in6_addr *mapped, uint32_t address)
{
	memset(mapped, 0, sizeof(*mapped));
	mapped->s6_addr[10] = mapped->s6_addr[11] = 0xff;
	memcpy(&mapped->s6_addr[12], &address, sizeof(address));
}

static void parse_ipv4(const uint8_t *bytes, size_t length, struct packet_info *info)
{
	struct iphdr ip;
	size_t header, total;

	if (length < sizeof(ip))
		return;
	memcpy(&ip, bytes, sizeof(ip));
	header = ip.ihl * 4U;
	total = ntohs(ip.tot_len);
	if (header < sizeof(ip) || total > length || total < header)
		return;
	info->family = AF_INET;
	map_ipv4(&info->source, ip.saddr);
	map_ipv4(&info->destination, ip.daddr);
	parse_transport(ip.protocol, bytes + header, total - header, info);
}

/* Extension headers are not followed: Linux puts none in front of TCP and UDP by itself. */
static void parse_ipv6(const uint8_t *bytes, size_t length, struct packet_info *info)
{
	struct ip6_hdr ip;
	size_t payload;

	if (length < sizeof(ip))
		return;
	memcpy(&ip, bytes, sizeof(ip));
	payload = ntohs(ip.ip6_plen);
	if (sizeof(ip) + payload > length)
		return;
	info->family = AF_INET6;
	info->source = ip.ip6_src;
	info->destination = ip.ip6_dst;
	parse_transport(ip.ip6_nxt, bytes + sizeof(ip), payload, info);
}

void packet_parse(const uint8_t *bytes, size_t length, enum side from, struct packet_info *info)
{
	memset(info, 0, sizeof(*info));
	info->from = from;
	if (length > 0 && bytes[0] >> 4 == 4)
		parse_ipv4(bytes, length, info);
	else if (length > 0 && bytes[0] >> 4 == 6)
		parse_ipv6(bytes, length, info);
}

bool rules_add(const struct drop_rule *rule)
{
	if (rule_count == RULES_MAX)
		return false;
	rules[rule_count].rule = *rule;
	rules[rule_count].dropped = 0;
	rules[rule_count].connection_count = 0;
	rule_count++;
	return true;
}

void rules_clear(void)
{
	rule_count = 0;
}

static bool rule_matches(const struct drop_rule *rule, const struct packet_info *info)
{
	return (rule->kind == KIND_ANY || rule->kind == info->kind) && (rule->from == SIDE_ANY || rule->from == info->from) &&
	       (rule->port == 0 || rule->port == info->source_port || rule->port == info->destination_port);
}

static uint64_t *dropped_of_connection(size_t rule, const struct packet_info *info)
{
	bool from_a = info->from == SIDE_A;
	struct connection key;

	memset(&key, 0, sizeof(key));
	key.address_a = from_a ? info->source : info->destination;
	key.address_b = from_a ? info->destination : info->source;
	key.port_a = from_a ? info->source_port : info->destination_port;
	key.port_b = from_a ? info->destination_port : info->source_port;
	for (size_t i = 0; i < rules[rule].connection_count; i++)
		if (memcmp(&rules[rule].connections[i], &key, offsetof(struct connection, dropped)) == 0)
			return &rules[rule].connections[i].dropped;
	if (rules[rule].connection_count == RULE_CONNECTIONS_MAX)
		return NULL;
	rules[rule].connections[rules[rule].connection_count] = key;
	return &rules[rule].connections[rules[rule].connection_count++].dropped;
}

bool rules_drop(const struct packet_info *info)
{
	for (size_t i = 0; i < rule_count; i++) {
		const struct drop_rule *rule = &rules[i].rule;
		uint64_t *dropped = &rules[i].dropped;

		if (!rule_matches(rule, info))
			continue;
		if (rule->each_connection)
			dropped = dropped_of_connection(i, info);
		if (dropped && *dropped < rule->count) {
			(*dropped)++;
			return true;
		}
	}
	return false;
}

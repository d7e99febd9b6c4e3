/* SPDX-License-Identifier: Apache-2.0 */
/* What the relay needs to know of a packet, and the rules that decide which ones are lost. */
#ifndef LAB_PACKET_H
#define LAB_PACKET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum side {
	SIDE_A,
	SIDE_B,
	SIDE_ANY, /* in rules only */
};

enum packet_kind {
	KIND_OTHER, /* neither TCP nor UDP */
	KIND_SYN,
	KIND_SYN_ACK,
	KIND_ACK, /* bare: no payload, no SYN, RST or FIN; the first one of a connection is the handshake's third packet */
	KIND_DATA,
	KIND_FIN,
	KIND_RST,
	KIND_UDP,
	KIND_COUNT,
	KIND_ANY = KIND_COUNT, /* in rules only */
};

extern const char *const packet_kind_names[KIND_COUNT + 1];

struct packet_info {
	enum packet_kind kind;
	enum side from;
	int family; /* AF_INET, AF_INET6; 0 = neither */
	struct in6_addr source, destination; /* IPv4 as ::ffff:a.b.c.d */
	uint16_t source_port, destination_port; /* host order */
	uint32_t seq, ack; /* TCP */
	uint16_t message_id; /* UDP: the first two bytes of the payload, which is the ID of a DNS message; 0 = shorter */
	uint32_t payload; /* bytes */
};

void packet_parse(const uint8_t *bytes, size_t length, enum side from, struct packet_info *info);

#define RULE_UNLIMITED UINT64_MAX

struct drop_rule {
	enum packet_kind kind;
	enum side from;
	uint16_t port; /* of either end; 0 = any */
	uint64_t count; /* how many to drop; RULE_UNLIMITED = all */
	bool each_connection; /* the count holds for each connection, not for all together */
};

/* False: no room for another rule. */
bool rules_add(const struct drop_rule *rule);
void rules_clear(void);

/* Decides about one packet and counts it: each packet is to be asked about once. */
bool rules_drop(const struct packet_info *info);

#endif

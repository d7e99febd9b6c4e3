// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "layout.h"

#include <linux/types.h>
#include <stddef.h>
#include <stdio.h>

#include "../probe_wire.h"

#define FIELD(type, field) printf("%s\"%s\":{\"offset\":%zu,\"size\":%zu}", separator, #field, offsetof(struct type, field), sizeof(((struct type *)0)->field)), separator = ","
#define BEGIN(type) printf("%s\"%s\":{\"size\":%zu,\"fields\":{", outer, #type, sizeof(struct type)), outer = ",", separator = ""
#define END() printf("}}")
#define CONSTANT(name) printf("%s\"%s\":%u", separator, #name, (unsigned int)(name)), separator = ","

static void print_structs(void)
{
	const char *outer = "", *separator;

	BEGIN(frame_header);
	FIELD(frame_header, length);
	FIELD(frame_header, type);
	FIELD(frame_header, reserved);
	END();
	BEGIN(handshakes_header);
	FIELD(handshakes_header, wall_offset_ns);
	END();
	BEGIN(handshake_record);
	FIELD(handshake_record, observed_ns);
	FIELD(handshake_record, slots);
	FIELD(handshake_record, latency_ns);
	FIELD(handshake_record, accept_wait_ns);
	FIELD(handshake_record, cgroup_id);
	FIELD(handshake_record, local_address);
	FIELD(handshake_record, remote_address);
	FIELD(handshake_record, revision);
	FIELD(handshake_record, client_isn);
	FIELD(handshake_record, server_isn);
	FIELD(handshake_record, srtt_us);
	FIELD(handshake_record, netns);
	FIELD(handshake_record, pid);
	FIELD(handshake_record, local_port);
	FIELD(handshake_record, remote_port);
	FIELD(handshake_record, syn_retransmits);
	FIELD(handshake_record, syn_ack_retransmits);
	FIELD(handshake_record, flags);
	FIELD(handshake_record, role);
	FIELD(handshake_record, outcome);
	FIELD(handshake_record, reserved);
	FIELD(handshake_record, process_name);
	END();
	BEGIN(configure_header);
	FIELD(configure_header, revision);
	FIELD(configure_header, slot_count);
	END();
	BEGIN(configure_slot);
	FIELD(configure_slot, min_latency_ns);
	FIELD(configure_slot, sample_threshold);
	FIELD(configure_slot, slot);
	FIELD(configure_slot, roles);
	FIELD(configure_slot, outcomes);
	FIELD(configure_slot, remote_port_count);
	FIELD(configure_slot, local_port_count);
	FIELD(configure_slot, remote_prefix_count);
	FIELD(configure_slot, process_name_count);
	END();
	BEGIN(address_prefix);
	FIELD(address_prefix, length);
	FIELD(address_prefix, address);
	END();
}

static void print_constants(void)
{
	const char *separator = "";

	CONSTANT(FRAME_HELLO);
	CONSTANT(FRAME_HANDSHAKES);
	CONSTANT(FRAME_STATS);
	CONSTANT(FRAME_CONFIGURED);
	CONSTANT(FRAME_DIAGNOSTIC);
	CONSTANT(FRAME_CONFIGURE);
	CONSTANT(FRAME_PAYLOAD_MAX);
	CONSTANT(ROLE_CLIENT);
	CONSTANT(ROLE_SERVER);
	CONSTANT(OUTCOME_ESTABLISHED);
	CONSTANT(OUTCOME_REFUSED);
	CONSTANT(OUTCOME_TIMED_OUT);
	CONSTANT(OUTCOME_UNREACHABLE);
	CONSTANT(OUTCOME_ABORTED);
	CONSTANT(OUTCOME_RESET);
	CONSTANT(FLAG_SYN_COOKIE);
	CONSTANT(FLAG_FAST_OPEN);
	CONSTANT(FLAG_MPTCP);
	CONSTANT(FLAG_NOT_YET_ACCEPTED);
	CONSTANT(FLAG_SIMULTANEOUS_OPEN);
	CONSTANT(FLAG_CLIENT_ISN_KNOWN);
	CONSTANT(FLAG_SERVER_ISN_KNOWN);
	CONSTANT(PROCESS_NAME_LENGTH);
	CONSTANT(SLOT_COUNT);
	CONSTANT(SLOT_PORTS_MAX);
	CONSTANT(SLOT_PREFIXES_MAX);
	CONSTANT(SLOT_PROCESS_NAMES_MAX);
}

void layout_print(void)
{
	printf("{\"wireVersion\":%d,\"structs\":{", PROBE_WIRE_VERSION);
	print_structs();
	printf("},\"constants\":{");
	print_constants();
	printf("}}\n");
}

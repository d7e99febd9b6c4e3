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
	BEGIN(records_header);
	FIELD(records_header, wall_offset_ns);
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
	BEGIN(dns_query_record);
	FIELD(dns_query_record, observed_ns);
	FIELD(dns_query_record, slots);
	FIELD(dns_query_record, elapsed_ns);
	FIELD(dns_query_record, lookup_id);
	FIELD(dns_query_record, cgroup_id);
	FIELD(dns_query_record, client_address);
	FIELD(dns_query_record, server_address);
	FIELD(dns_query_record, revision);
	FIELD(dns_query_record, netns);
	FIELD(dns_query_record, pid);
	FIELD(dns_query_record, client_port);
	FIELD(dns_query_record, server_port);
	FIELD(dns_query_record, query_type);
	FIELD(dns_query_record, query_class);
	FIELD(dns_query_record, message_id);
	FIELD(dns_query_record, response_code);
	FIELD(dns_query_record, answer_count);
	FIELD(dns_query_record, attempt);
	FIELD(dns_query_record, flags);
	FIELD(dns_query_record, side);
	FIELD(dns_query_record, transport);
	FIELD(dns_query_record, outcome);
	FIELD(dns_query_record, name_length);
	FIELD(dns_query_record, reserved);
	FIELD(dns_query_record, process_name);
	FIELD(dns_query_record, name);
	END();
	BEGIN(name_lookup_record);
	FIELD(name_lookup_record, observed_ns);
	FIELD(name_lookup_record, slots);
	FIELD(name_lookup_record, latency_ns);
	FIELD(name_lookup_record, cgroup_id);
	FIELD(name_lookup_record, revision);
	FIELD(name_lookup_record, netns);
	FIELD(name_lookup_record, pid);
	FIELD(name_lookup_record, result_code);
	FIELD(name_lookup_record, family);
	FIELD(name_lookup_record, flags);
	FIELD(name_lookup_record, name_length);
	FIELD(name_lookup_record, reserved);
	FIELD(name_lookup_record, process_name);
	FIELD(name_lookup_record, name);
	END();
	BEGIN(receive_queue_drop_record);
	FIELD(receive_queue_drop_record, observed_ns);
	FIELD(receive_queue_drop_record, slots);
	FIELD(receive_queue_drop_record, interval_ns);
	FIELD(receive_queue_drop_record, drops);
	FIELD(receive_queue_drop_record, cgroup_id);
	FIELD(receive_queue_drop_record, local_address);
	FIELD(receive_queue_drop_record, revision);
	FIELD(receive_queue_drop_record, netns);
	FIELD(receive_queue_drop_record, pid);
	FIELD(receive_queue_drop_record, receive_buffer_bytes);
	FIELD(receive_queue_drop_record, local_port);
	FIELD(receive_queue_drop_record, cause);
	FIELD(receive_queue_drop_record, side);
	FIELD(receive_queue_drop_record, reserved);
	FIELD(receive_queue_drop_record, process_name);
	END();
	BEGIN(listener_record);
	FIELD(listener_record, observed_ns);
	FIELD(listener_record, slots);
	FIELD(listener_record, interval_ns);
	FIELD(listener_record, socket_cookie);
	FIELD(listener_record, cgroup_id);
	FIELD(listener_record, syns);
	FIELD(listener_record, syns_refused_accept_queue_full);
	FIELD(listener_record, syns_refused_syn_queue_full);
	FIELD(listener_record, syns_refused_unexplained);
	FIELD(listener_record, syns_answered_by_cookie);
	FIELD(listener_record, acks_dropped_accept_queue_full);
	FIELD(listener_record, acks_dropped_on_cookie_path);
	FIELD(listener_record, drops);
	FIELD(listener_record, local_address);
	FIELD(listener_record, revision);
	FIELD(listener_record, netns);
	FIELD(listener_record, pid);
	FIELD(listener_record, accept_queue_length);
	FIELD(listener_record, accept_queue_limit);
	FIELD(listener_record, accept_queue_peak);
	FIELD(listener_record, syn_queue_length);
	FIELD(listener_record, syn_queue_peak);
	FIELD(listener_record, somaxconn);
	FIELD(listener_record, tcp_max_syn_backlog);
	FIELD(listener_record, local_port);
	FIELD(listener_record, tcp_syncookies);
	FIELD(listener_record, tcp_abort_on_overflow);
	FIELD(listener_record, reserved);
	FIELD(listener_record, process_name);
	END();
	BEGIN(configure_header);
	FIELD(configure_header, revision);
	FIELD(configure_header, slot_count);
	END();
	BEGIN(configure_slot);
	FIELD(configure_slot, min_latency_ns);
	FIELD(configure_slot, sample_threshold);
	FIELD(configure_slot, slot);
	FIELD(configure_slot, probes);
	FIELD(configure_slot, roles);
	FIELD(configure_slot, dns_sides);
	FIELD(configure_slot, outcomes);
	FIELD(configure_slot, dns_outcomes);
	FIELD(configure_slot, remote_port_count);
	FIELD(configure_slot, local_port_count);
	FIELD(configure_slot, remote_prefix_count);
	FIELD(configure_slot, process_name_count);
	FIELD(configure_slot, dns_port_count);
	FIELD(configure_slot, dns_server_prefix_count);
	FIELD(configure_slot, query_type_count);
	FIELD(configure_slot, response_code_count);
	FIELD(configure_slot, query_name_count);
	FIELD(configure_slot, query_name_suffix_count);
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
	CONSTANT(FRAME_DNS_QUERIES);
	CONSTANT(FRAME_NAME_LOOKUPS);
	CONSTANT(FRAME_RECEIVE_QUEUE_DROPS);
	CONSTANT(FRAME_LISTENERS);
	CONSTANT(FRAME_CONFIGURE);
	CONSTANT(PROBE_TCP_HANDSHAKE);
	CONSTANT(PROBE_DNS);
	CONSTANT(PROBE_LISTENER);
	CONSTANT(PROBE_NAME_LOOKUP);
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
	CONSTANT(SIDE_CLIENT);
	CONSTANT(SIDE_RESOLVER);
	CONSTANT(TRANSPORT_UDP);
	CONSTANT(TRANSPORT_TCP);
	CONSTANT(DNS_ANSWERED);
	CONSTANT(DNS_LATE);
	CONSTANT(DNS_UNANSWERED);
	CONSTANT(DNS_FLAG_TRUNCATED);
	CONSTANT(DNS_FLAG_SEVERAL_QUESTIONS);
	CONSTANT(DNS_FLAG_SOCKET_CLOSED);
	CONSTANT(DNS_FLAG_ASKED_AGAIN);
	CONSTANT(DNS_FLAG_NO_QUESTION_IN_ANSWER);
	CONSTANT(NAME_LOOKUP_FLAG_CUT);
	CONSTANT(DROP_BUFFER_FULL);
	CONSTANT(DROP_MEMORY_LIMIT);
	CONSTANT(FRAME_PAYLOAD_MAX);
	CONSTANT(PROCESS_NAME_LENGTH);
	CONSTANT(DNS_NAME_LENGTH_MAX);
	CONSTANT(LOOKUP_NAME_LENGTH_MAX);
	CONSTANT(SLOT_COUNT);
	CONSTANT(SLOT_PORTS_MAX);
	CONSTANT(SLOT_PREFIXES_MAX);
	CONSTANT(SLOT_PROCESS_NAMES_MAX);
	CONSTANT(SLOT_DNS_PORTS_MAX);
	CONSTANT(SLOT_QUERY_NAMES_MAX);
	CONSTANT(SLOT_QUERY_TYPES_MAX);
	CONSTANT(SLOT_RESPONSE_CODES_MAX);
}

void layout_print(void)
{
	printf("{\"wireVersion\":%d,\"structs\":{", PROBE_WIRE_VERSION);
	print_structs();
	printf("},\"constants\":{");
	print_constants();
	printf("}}\n");
}

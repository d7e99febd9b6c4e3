// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Feeds packets to the real DNS programs by BPF_PROG_TEST_RUN, attached to nothing, under a filter that lets everything through.
 *
 * stdin: for each packet a struct packet_header and its bytes from the IP header on; one of no bytes ends a batch: then all queries that
 * are under way are settled, as at detach. stdout: a JSON line for each query that was recorded, then one that tells the counters.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../counters.h"
#include "../dns.h"
#include "dns.skel.h"

#define PACKET_BYTES_MAX 2048
#define CPUS_MAX 1024

enum direction {
	EGRESS = 0,
	INGRESS = 1,
};

struct packet_header {
	__u16 length;
	__u16 direction; /* enum direction */
};

static struct dns_bpf *skeleton;

static bool fail(const char *what)
{
	fprintf(stderr, "dns-parser: %s: %s\n", what, strerror(errno));
	return false;
}

static void print_hexadecimal(const char *name, const __u8 *bytes, size_t count)
{
	printf("\"%s\":\"", name);
	for (size_t i = 0; i < count; i++)
		printf("%02x", bytes[i]);
	printf("\",");
}

static int print_record(__attribute__((unused)) void *context, void *data, size_t size)
{
	const struct dns_query_record *record = data;

	printf("{");
	print_hexadecimal("client", record->client_address, sizeof(record->client_address));
	print_hexadecimal("name", record->name, record->name_length);
	/* What fills the record up to a whole word. */
	print_hexadecimal("padding", record->name + record->name_length, size - offsetof(struct dns_query_record, name) - record->name_length);
	printf("\"port\":%u,\"serverPort\":%u,\"type\":%u,\"class\":%u,\"id\":%u,\"flags\":%u,\"side\":%u,\"transport\":%u}\n", record->client_port,
	       record->server_port, record->query_type, record->query_class, record->message_id, record->flags, record->side, record->transport);
	return 0;
}

static void let_everything_through(void)
{
	struct filter *filter = &skeleton->bss->filters[0];

	*filter = (struct filter){.revision = 1};
	memset(filter->end_slots, 0xff, sizeof(filter->end_slots));
	memset(filter->outcome_slots, 0xff, sizeof(filter->outcome_slots));
	filter->any_remote_port = filter->any_local_port = filter->any_remote_prefix = filter->any_process_name = ~0ULL;
	filter->any_query_name = filter->any_query_type = filter->any_response_code = filter->any_latency = filter->unsampled = ~0ULL;
	skeleton->bss->dns_ports[53 / 64] |= 1ULL << 53 % 64;
	skeleton->bss->usual_port_slots[0] = 1;
}

static bool run_packet(enum direction direction, const __u8 *packet, size_t length)
{
	static __u8 frame[ETH_HLEN + PACKET_BYTES_MAX];
	struct bpf_program *program = direction == EGRESS ? skeleton->progs.dns_egress : skeleton->progs.dns_ingress;
	struct ethhdr ethernet = {.h_proto = packet[0] >> 4 == 6 ? htons(ETH_P_IPV6) : htons(ETH_P_IP)};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = ETH_HLEN + length, .repeat = 1);

	memcpy(frame, &ethernet, ETH_HLEN);
	memcpy(frame + ETH_HLEN, packet, length);
	if (bpf_prog_test_run_opts(bpf_program__fd(program), &options))
		return fail("test run");
	/* Whatever it reads, it lets pass. */
	if (options.retval != 1) {
		errno = EPROTO;
		return fail("verdict");
	}
	return true;
}

/* Reading an iterator runs its program over every element. */
static bool sweep(struct bpf_program *program, const struct bpf_map *map)
{
	union bpf_iter_link_info iterated = {.map.map_fd = (__u32)bpf_map__fd(map)};
	LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &iterated, .link_info_len = sizeof(iterated.map));
	struct bpf_link *link = bpf_program__attach_iter(program, &options);
	int iterator = link ? bpf_iter_create(bpf_link__fd(link)) : -1;
	char nothing[16];

	if (iterator < 0)
		return fail("iterator");
	while (read(iterator, nothing, sizeof(nothing)) > 0)
		;
	close(iterator);
	return !bpf_link__destroy(link);
}

static bool print_counters(void)
{
	static struct counters of_cpu[CPUS_MAX];
	struct counters sum = {};
	__u32 zero = 0;

	if (libbpf_num_possible_cpus() > CPUS_MAX || bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.counts), &zero, of_cpu))
		return fail("counters");
	for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++) {
		sum.emitted += of_cpu[cpu].emitted;
		sum.ring_full += of_cpu[cpu].ring_full;
		sum.pending_table_full += of_cpu[cpu].pending_table_full;
		sum.unfinished += of_cpu[cpu].unfinished;
		sum.tcp_stream += of_cpu[cpu].tcp_stream;
		sum.malformed += of_cpu[cpu].malformed;
		sum.unsolicited += of_cpu[cpu].unsolicited;
	}
	printf("{\"counters\":{\"emitted\":%llu,\"ringFull\":%llu,\"pendingTableFull\":%llu,\"unfinished\":%llu,\"tcpStream\":%llu,"
	       "\"malformed\":%llu,\"unsolicited\":%llu}}\n",
	       sum.emitted, sum.ring_full, sum.pending_table_full, sum.unfinished, sum.tcp_stream, sum.malformed, sum.unsolicited);
	return !fflush(stdout);
}

/* All queries under way, as unanswered ones whose time is over. */
static bool settle(struct ring_buffer *ring)
{
	skeleton->bss->sweep_now_ns = UNKNOWN_U64 / 2;
	skeleton->bss->deadline_ns = 0;
	return sweep(skeleton->progs.dns_sweep, skeleton->maps.queries) && sweep(skeleton->progs.dns_sweep_overflow, skeleton->maps.queries_overflow) &&
	       (ring_buffer__consume(ring) >= 0 || fail("ring")) && print_counters();
}

int main(void)
{
	static __u8 packet[PACKET_BYTES_MAX];
	struct packet_header header;
	struct ring_buffer *ring;

	skeleton = dns_bpf__open_and_load();
	if (!skeleton)
		return 1;
	let_everything_through();
	ring = ring_buffer__new(bpf_map__fd(skeleton->maps.records), print_record, NULL, NULL);
	if (!ring)
		return !fail("ring");
	while (fread(&header, sizeof(header), 1, stdin)) {
		if (header.length > PACKET_BYTES_MAX || fread(packet, 1, header.length, stdin) != header.length) {
			fprintf(stderr, "dns-parser: a packet is too long or not whole\n");
			return 2;
		}
		if (!(header.length ? run_packet(header.direction, packet, header.length) : settle(ring)))
			return 1;
	}
	return 0;
}

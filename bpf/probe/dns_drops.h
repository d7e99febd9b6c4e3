/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What UDP sockets on DNS ports could not take, counted by dns/drops.bpf.h and reported period by period. */
#ifndef SYNSCOPE_DNS_DROPS_H
#define SYNSCOPE_DNS_DROPS_H

#include <linux/types.h>

struct dns_bpf;

/* A first period begins. */
void dns_drops_begin(void);
/* Ends the period under way, hands its records to output, and begins the next. */
void dns_drops_report(struct dns_bpf *skeleton);
/* The slots of a generation of the filter that watch a port. */
__u64 dns_slots_of_port(struct dns_bpf *skeleton, __u16 port, __u32 generation);

#endif

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What our programs cost, by the kernel's own statistics: measured while they are attached, for a limited time, because measuring costs too. */
#ifndef SYNSCOPE_COST_H
#define SYNSCOPE_COST_H

#include <bpf/libbpf.h>
#include <stddef.h>

#include "output.h"

/*
 * The programs were attached. The first time, the sample begins and CAP_SYS_ADMIN, which only this needs, is dropped. Beyond it costs are
 * known while the administrator has set kernel.bpf_stats_enabled=1.
 */
void cost_attached(__u32 sample_seconds);
void cost_detaching(void);
/* The programs are about to be unloaded, and the kernel forgets their run times: keeps them. */
void cost_unloading(struct bpf_program *const programs[], size_t count);
/* Appends the member "bpf": cumulative, null as long as nothing was measured. */
void cost_append(struct json *json, struct bpf_program *const programs[], size_t count);

#endif

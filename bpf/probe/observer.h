/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the probe can measure: one observer each, with a BPF object of its own, attached while a slot wants it. */
#ifndef SYNSCOPE_OBSERVER_H
#define SYNSCOPE_OBSERVER_H

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stddef.h>

#include "kernel.h"
#include "output.h"
#include "slots.h"

struct environment {
	const struct kernel_options *options;
	int cgroup_descriptor;       /* cgroup v2 folder whose sockets are watched */
	const char *unavailable;     /* why nothing at all can be loaded; empty = it can */
	const char *without_tracefs; /* why tracepoints other than BTF's cannot be had; empty = they can */
};

struct observer {
	enum probe probe;
	const char *name; /* of the probe in session specs and JSON */
	/* Loads what this kernel takes, or finds out what it would take. Never fails: what is missing is said by capabilities(). */
	void (*load)(const struct environment *environment);
	/* Appends capabilities, with a comma behind each. */
	void (*capabilities)(struct json *json);
	/* Puts the slots that want this probe in force, attaching or detaching as needed. Returns NULL or what failed, valid until the next call. */
	const char *(*configure)(const struct slots *slots);
	bool (*attached)(void);
	/* Appends the names of the attached hooks, with a comma behind each. */
	void (*hooks)(struct json *json);
	/* Hands all waiting records to output. */
	void (*consume)(void);
	/* About every second while attached: ends what nothing else will end. */
	void (*sweep)(void);
	/* Appends the members of its object in FRAME_STATS. */
	void (*stats)(struct json *json);
	/* Fills in its loaded programs, each once; returns how many. */
	size_t (*programs)(struct bpf_program *programs[], size_t room);
	/* Detaches and reports what waits; the process ends soon, and what is loaded with it. */
	void (*end)(void);
};

/* Programs of one observer, at most. */
#define OBSERVER_PROGRAMS_MAX 16

extern const struct observer handshake_observer;
extern const struct observer dns_observer;
extern const struct observer listener_observer;
extern const struct observer name_lookup_observer;

#endif

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What observers do alike with their BPF objects. */
#ifndef SYNSCOPE_OBJECT_H
#define SYNSCOPE_OBJECT_H

#include <bpf/libbpf.h>

#include "../counters.h"
#include "output.h"

/* Keeps what libbpf says instead of printing it. */
void object_listen_to_libbpf(void);
/* Forgets what libbpf said until now. */
void object_forget_complaint(void);
/* Why libbpf could not load or attach: the first thing it complained of, with the verifier's last words if there are any. */
const char *object_complaint(void);

/*
 * Before the load: kernels before 6.1 warn, with a stack trace in their log (and stop, where told so by panic_on_warn), about tracing programs with
 * hash maps that are allocated as they fill. There all room is taken at once.
 */
void object_preallocate_for_kernel(const struct bpf_object *object);

/* A consumer of the object's records that is watched by kernel_ring_descriptor(). Returns NULL with errno set. */
struct ring_buffer *object_open_ring(const struct bpf_map *records, ring_buffer_sample_fn receive);

/* An iterator over a map's elements; NULL with errno set. */
struct bpf_link *object_attach_to_elements(struct bpf_program *program, const struct bpf_map *map);
/* Runs an iterator's program over every element. `purpose` completes "cannot …" in the diagnostic if that fails. */
void object_run_iterator(const struct bpf_link *link, const char *purpose);

/* The sum over all CPUs of a map like `counts` in records.bpf.h. */
struct counters object_counters(const struct bpf_map *counts);
/* Appends "offered", "emitted" and "loss" up to its last member, which the caller may extend before it closes the brace. */
void object_append_counts(struct json *json, const struct counters *counters);
/* Appends a capability; an empty detail means that it is available. */
void object_append_capability(struct json *json, const char *name, const char *unavailable);

#endif

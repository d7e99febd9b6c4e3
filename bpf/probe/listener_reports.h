/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Records of listening sockets on their way from the kernel to the agent. */
#ifndef SYNSCOPE_LISTENER_REPORTS_H
#define SYNSCOPE_LISTENER_REPORTS_H

#include "../listener.h"
#include "listener.skel.h"

/* Runs listener_report over all listeners and hands on what a session asks for; returns how many records. */
__u64 listener_reports_read(const struct listener_bpf *skeleton, const struct bpf_link *reports);

#endif

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Who called. */
#ifndef SYNSCOPE_PROCESS_BPF_H
#define SYNSCOPE_PROCESS_BPF_H

#include "kernel_types.h"
#include "probe_wire.h"

/* Set by the loader before the load: whether the programs may ask for the current task as a typed pointer, whose fields are plain
 * loads. Else each field costs a call of bpf_probe_read_kernel(). */
const volatile bool has_task_pointer = true;

/* include/linux/sched.h */
#define PF_KTHREAD 0x00200000

/* tgid and pid as bpf_get_current_pid_tgid() has them, which not every program may call; 0 for a kernel thread. */
static __always_inline __u64 current_thread(void)
{
	if (has_task_pointer) {
		struct task_struct *task = bpf_get_current_task_btf();

		return task->flags & PF_KTHREAD ? 0 : (__u64)task->tgid << 32 | (__u32)task->pid;
	} else {
		struct task_struct *task = (struct task_struct *)bpf_get_current_task();

		return BPF_CORE_READ(task, flags) & PF_KTHREAD ? 0 : (__u64)BPF_CORE_READ(task, tgid) << 32 | (__u32)BPF_CORE_READ(task, pid);
	}
}

/* The bytes before the first NUL; the others 0. A zero byte is found by Mycroft's test: subtract 1 from each, see who borrowed. */
static __always_inline __u64 before_nul(__u64 word)
{
	__u64 nul = (word - 0x0101010101010101ULL) & ~word & 0x8080808080808080ULL;

	return nul ? word & (((nul & -nul) >> 7) - 1) : word;
}

/* Older kernels (seen on 5.10) leave remains of earlier, longer names behind the NUL. */
static __always_inline void copy_name(char name[PROCESS_NAME_LENGTH], const char comm[PROCESS_NAME_LENGTH])
{
	__u64 words[2];

	__builtin_memcpy(words, comm, PROCESS_NAME_LENGTH);
	if (before_nul(words[0]) != words[0] || !(words[0] >> 56))
		words[1] = 0;
	words[0] = before_nul(words[0]);
	words[1] = before_nul(words[1]);
	__builtin_memcpy(name, words, PROCESS_NAME_LENGTH);
}

/* The name of the process, not of its thread: what ps and ss show. */
static __always_inline void task_name(char name[PROCESS_NAME_LENGTH], struct task_struct *task)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	char comm[PROCESS_NAME_LENGTH];

	bpf_probe_read_kernel(comm, PROCESS_NAME_LENGTH, &leader->comm);
	copy_name(name, comm);
}

/* The process that runs. */
static __always_inline __u32 current_process(char name[PROCESS_NAME_LENGTH], __u64 *cgroup_id)
{
	if (has_task_pointer) {
		struct task_struct *task = bpf_get_current_task_btf();

		copy_name(name, task->group_leader->comm);
		*cgroup_id = task->cgroups->dfl_cgrp->kn->id;
		return task->tgid;
	} else {
		struct task_struct *task = (struct task_struct *)bpf_get_current_task();

		task_name(name, task);
		*cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
		return BPF_CORE_READ(task, tgid);
	}
}

#endif

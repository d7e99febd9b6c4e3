// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#define _GNU_SOURCE
#include "library_scan.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "elf_function.h"
#include "library_uprobes.h"

/* include/uapi/linux/magic.h */
#define OVERLAYFS_SUPER_MAGIC 0x794c7630
/* include/uapi/linux/fcntl.h, since 6.5 */
#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID 0x200
#endif

/* Looks into a program without finding a library, before it counts as statically linked. */
#define LOOKS_MAX 2

static struct discovery *discovery;
static int probe_socket;
static const char *function_name;
static const struct uprobe_type *uprobe_type;

/* ── Executables already known ──────────────────────────────────────────────────────────────────────────────────────── */

/* Never asks the file system anew: one in user space might not answer. */
static bool identify(const char *path, __u64 *device, __u64 *inode)
{
	struct statx found;

	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_INO, &found))
		return false;
	*device = ((__u64)found.stx_dev_major << 32) | found.stx_dev_minor;
	*inode = found.stx_ino;
	return true;
}

static bool same_executable(const struct executable *a, const struct executable *b)
{
	return a->inode == b->inode && a->device == b->device && a->mount_namespace == b->mount_namespace;
}

/* The executable's place among the remembered ones, one that no recent scan met, or NULL. */
static struct executable *remembered(const struct executable *key)
{
	__u64 hash = (key->inode ^ (key->device << 20) ^ (key->mount_namespace << 32)) * 0x9e3779b97f4a7c15ULL;
	struct executable *vacant = NULL;

	for (__u32 i = 0; i < 16; i++) {
		struct executable *place = &discovery->executables[((hash >> 40) + i) % EXECUTABLES_MAX];

		if (place->seen && same_executable(place, key))
			return place;
		if (!vacant && (!place->seen || place->seen + 1 < discovery->scan))
			vacant = place;
	}
	if (vacant)
		*vacant = *key;
	return vacant;
}

/* ── Libraries ──────────────────────────────────────────────────────────────────────────────────────────────────────── */

static bool is_c_library(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	return !strncmp(name, "libc.so", 7) || !strncmp(name, "libc-2.", 7) || !strncmp(name, "ld-musl-", 8) || !strncmp(name, "libc.musl-", 10);
}

/*
 * On overlayfs each container shows the file of a shared image as one of its own, while uprobes go to the one file below: told by
 * the file handle, which names that file. Kernels that cannot make one (before 6.5) show the file below in /proc/PID/maps anyway.
 */
static void identify_below_overlay(int file, struct library *library)
{
	union {
		struct file_handle header;
		unsigned char bytes[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} handle = {.header.handle_bytes = MAX_HANDLE_SZ};
	struct statfs system;
	int mount;

	if (fstatfs(file, &system) || system.f_type != OVERLAYFS_SUPER_MAGIC ||
	    name_to_handle_at(file, "", &handle.header, &mount, AT_EMPTY_PATH | AT_HANDLE_FID))
		return;
	library->device = UINT64_MAX;
	library->inode = 0xcbf29ce484222325ULL; /* FNV-1a */
	for (unsigned int i = 0; i < handle.header.handle_bytes; i++)
		library->inode = (library->inode ^ handle.header.f_handle[i]) * 0x100000001b3ULL;
}

static int known_place(const struct library *library)
{
	for (int place = 0; place < LIBRARIES_MAX; place++) {
		const struct library *known = &discovery->libraries[place];

		if (known->state != LIBRARY_NONE && known->device == library->device && known->inode == library->inode)
			return place;
	}
	return -1;
}

/* The place of a library that was not known; −1 if it has no such function or cannot be attached to, −2 if there is no place. */
static int add_library(int file, const struct library *library)
{
	__u64 offset = elf_function_offset(file, function_name);
	int place = 0, error;

	if (!offset)
		return -1;
	while (place < LIBRARIES_MAX && discovery->libraries[place].state != LIBRARY_NONE)
		place++;
	if (place == LIBRARIES_MAX) {
		discovery->crowded++;
		return -2;
	}
	discovery->libraries[place] = *library;
	discovery->libraries[place].state = LIBRARY_FOUND;
	error = library_uprobes_send(probe_socket, (__u32)place, uprobe_type, file, offset);
	if (!error)
		return place;
	discovery->uprobe_error = -error;
	discovery->libraries[place].state = LIBRARY_NONE;
	return -1;
}

/* Opened in two steps: opening a device, which a container might have named so, can have effects. */
static int open_regular(const char *path)
{
	int handle = open(path, O_PATH | O_CLOEXEC), file = -1;
	char reopened[32];
	struct statx found;

	if (handle < 0)
		return -1;
	if (!statx(handle, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &found) && S_ISREG(found.stx_mode)) {
		snprintf(reopened, sizeof(reopened), "/proc/self/fd/%d", handle);
		file = open(reopened, O_RDONLY | O_CLOEXEC);
	}
	close(handle);
	return file;
}

/* Like add_library(), for a library that may be known. */
static int find_place(const char *path, struct library *library)
{
	int place = known_place(library), file;

	if (place >= 0)
		return place;
	file = open_regular(path);
	if (file < 0)
		return -1;
	identify_below_overlay(file, library);
	place = known_place(library);
	if (place < 0)
		place = add_library(file, library);
	close(file);
	return place;
}

/* ── Processes ──────────────────────────────────────────────────────────────────────────────────────────────────────── */

static void use(__u32 place)
{
	discovery->libraries[place].seen = discovery->scan;
}

static void remember_library(struct executable *executable, int place)
{
	use((__u32)place);
	for (int i = 0; i < executable->library_count; i++)
		if (executable->libraries[i] == place)
			return;
	if (executable->library_count < LIBRARIES_PER_EXECUTABLE)
		executable->libraries[executable->library_count++] = (__u8)place;
}

/*
 * One line of /proc/PID/maps (proc_pid_maps(5)). The file is opened through /proc/PID/map_files: that is the very file which is mapped, also if
 * its path leads elsewhere by now or nowhere, and no path of the container's making is walked. Returns false if there was no place.
 */
static bool look_at_mapping(const char *process, const char *line, struct executable *executable)
{
	unsigned long long from, to, inode;
	unsigned int major, minor;
	char permissions[5], path[128];
	int path_at = 0, place;
	struct library library = {};

	if (sscanf(line, "%llx-%llx %4s %*x %x:%x %llu %n", &from, &to, permissions, &major, &minor, &inode, &path_at) < 6 || !path_at)
		return true;
	if (permissions[2] != 'x' || !inode || !is_c_library(line + path_at))
		return true;
	library.device = ((__u64)major << 32) | minor;
	library.inode = inode;
	snprintf(path, sizeof(path), "/proc/%s/map_files/%llx-%llx", process, from, to);
	place = find_place(path, &library);
	if (place >= 0)
		remember_library(executable, place);
	return place != -2;
}

static void look_into(const char *process, struct executable *executable)
{
	bool complete = true;
	char path[64], *line = NULL;
	size_t size = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%s/maps", process);
	maps = fopen(path, "re");
	if (!maps)
		return;
	executable->under_way = true;
	executable->library_count = 0;
	while (executable->library_count < LIBRARIES_PER_EXECUTABLE && getline(&line, &size, maps) > 0)
		complete = look_at_mapping(process, line, executable) && complete;
	free(line);
	fclose(maps);
	executable->under_way = false;
	executable->settled = complete && (executable->library_count || ++executable->looks >= LOOKS_MAX);
}

static void visit(const char *process)
{
	struct executable key = {.seen = discovery->scan}, *executable;
	char path[64];
	__u64 device;

	snprintf(path, sizeof(path), "/proc/%s/exe", process);
	if (!identify(path, &key.device, &key.inode))
		return; /* a thread of the kernel, or it is gone */
	snprintf(path, sizeof(path), "/proc/%s/ns/mnt", process);
	if (!identify(path, &device, &key.mount_namespace))
		return;
	executable = remembered(&key);
	if (!executable)
		executable = &key;
	/* The last scan met its end in this one's files: no further look. */
	if (executable->under_way) {
		executable->under_way = false;
		executable->settled = true;
		executable->library_count = 0;
	}
	if (!executable->settled && (executable == &key || executable->seen != discovery->scan || !executable->looks))
		look_into(process, executable);
	executable->seen = discovery->scan;
	for (int i = 0; i < executable->library_count; i++)
		use(executable->libraries[i]);
}

static void visit_processes(void)
{
	DIR *processes = opendir("/proc");
	const struct dirent *entry;

	while (processes && (entry = readdir(processes)))
		if (isdigit((unsigned char)entry->d_name[0]))
			visit(entry->d_name);
	if (processes)
		closedir(processes);
}

/* Where distributions keep the host's own. */
static void visit_usual_places(void)
{
	static const char *const usual[] = {
#if defined(__x86_64__)
		"/lib/x86_64-linux-gnu/libc.so.6", "/lib/ld-musl-x86_64.so.1",
#elif defined(__aarch64__)
		"/lib/aarch64-linux-gnu/libc.so.6", "/lib/ld-musl-aarch64.so.1",
#endif
		"/lib64/libc.so.6", "/usr/lib/libc.so.6",
	};

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		struct library library = {};
		int place = identify(usual[i], &library.device, &library.inode) ? find_place(usual[i], &library) : -1;

		if (place >= 0)
			use((__u32)place);
	}
}

void library_scan(struct discovery *shared, int socket, const char *function, const struct uprobe_type *uprobe, bool everywhere)
{
	discovery = shared;
	probe_socket = socket;
	function_name = function;
	uprobe_type = uprobe;
	discovery->crowded = 0;
	if (everywhere)
		visit_processes();
	else
		visit_usual_places();
}

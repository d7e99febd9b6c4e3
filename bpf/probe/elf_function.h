/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef SYNSCOPE_ELF_FUNCTION_H
#define SYNSCOPE_ELF_FUNCTION_H

#include <linux/types.h>

/*
 * Where in the file an exported function of a shared library begins; 0 = the file does not export it, or is no library of this machine's
 * word size and byte order. The file may be anyone's: it is read in bounded pieces, never mapped (a file that shrinks would end the process), and
 * nothing in it is believed.
 */
__u64 elf_function_offset(int file, const char *name);

#endif

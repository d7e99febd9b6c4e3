/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef SYNSCOPE_LAYOUT_H
#define SYNSCOPE_LAYOUT_H

/* Prints the wire's structs and constants as JSON, so that readers in other languages can be held against them. */
void layout_print(void);

#endif

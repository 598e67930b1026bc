/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef USER_H
#define USER_H

#include <stddef.h>

void die(const char *format, ...);

/* user.c: a source of random numbers at PCI address @where, which no kernel drives. */
int user_open(const char *where);
void user_read(void *data, size_t len);

#endif

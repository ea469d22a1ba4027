/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/base/error.h - why a function could not do its job.
 *
 * A function that can fail returns 0 (or a count) on success and a negative errno on failure, and
 * takes `struct error *err` as its last parameter. On failure it fills *err; on success it leaves
 * *err untouched. The caller owns the struct (normally on its stack); nothing is allocated. err may
 * be NULL when the caller only wants the code. Out-parameters (`ret_x`) are set on success only.
 *
 * Library code never prints and never exits; a program prints err.msg once, at the top.
 * What a function *found* while doing its job is not an error but a finding (lib/report).
 */
#pragma once

#include <errno.h>

#include "lib/base/macros.h"

struct error {
	int code;      /* negative errno, the same value that was returned */
	char msg[512]; /* one line, no trailing newline, outermost context first */
};
#define ERROR_INIT                                                                                 \
	{                                                                                          \
		0, ""                                                                              \
	}

/* Record a failure. Returns code, so callers write `return error_set(err, -EINVAL, ...)`. */
int error_set(struct error *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Record a failed system call: msg is "what: strerror(code)". Returns code. */
int error_errno(struct error *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Prefix context ("context: old message") to an error already set. Returns code. */
int error_wrap(struct error *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/base/log.h - one line per event, to standard error (or any stream), for programs.
 *
 * Libraries take a `const struct log *` where they have something to say and are silent with NULL.
 * A message is one sentence start with key=value pairs behind it: "endpoint ready id=12 ms=3".
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/macros.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log {
	FILE *out;                 /* borrowed */
	enum log_level level;      /* what is less important is dropped */
	bool json;                 /* {"time":..,"level":..,"msg":..} instead of text */
	const char *name;          /* program or part, borrowed */
	const struct clock *clock; /* borrowed */
};

void log_write(const struct log *log, enum log_level level, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* "error", "warn", "info", "debug"; -EINVAL for another name. */
int log_level_parse(const char *name, enum log_level *ret_level);

#define log_error(l, ...) log_write((l), LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(l, ...)  log_write((l), LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(l, ...)  log_write((l), LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(l, ...) log_write((l), LOG_LEVEL_DEBUG, __VA_ARGS__)

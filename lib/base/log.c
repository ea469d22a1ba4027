/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "lib/base/strbuf.h"

static const char *const level_names[] = {"error", "warn", "info", "debug"};

int log_level_parse(const char *name, enum log_level *ret_level)
{
	for (size_t i = 0; i < ARRAY_SIZE(level_names); i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*ret_level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* The one place that writes JSON by hand: lib/doc stands above this folder. */
static void add_json_string(struct strbuf *sb, const char *s)
{
	strbuf_addc(sb, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			strbuf_addf(sb, "\\%c", c);
		else if (c < 0x20)
			strbuf_addf(sb, "\\u%04x", c);
		else
			strbuf_addc(sb, (char)c);
	}
	strbuf_addc(sb, '"');
}

static void format_line(const struct log *log, enum log_level level, const char *msg,
			struct strbuf *out)
{
	char when[CLOCK_RFC3339_SIZE];

	clock_rfc3339(clock_wall_ns(log->clock), 3, when);
	if (!log->json) {
		strbuf_addf(out, "%s %-5s %s%s%s\n", when, level_names[level],
			    log->name ? log->name : "", log->name ? ": " : "", msg);
		return;
	}
	strbuf_addf(out, "{\"time\":\"%s\",\"level\":\"%s\",\"name\":", when, level_names[level]);
	add_json_string(out, log->name ? log->name : "");
	strbuf_adds(out, ",\"msg\":");
	add_json_string(out, msg);
	strbuf_adds(out, "}\n");
}

void log_write(const struct log *log, enum log_level level, const char *fmt, ...)
{
	auto_release(strbuf) struct strbuf msg = STRBUF_INIT;
	auto_release(strbuf) struct strbuf line = STRBUF_INIT;
	va_list ap;

	if (!log || level > log->level)
		return;
	va_start(ap, fmt);
	strbuf_vaddf(&msg, fmt, ap);
	va_end(ap);
	format_line(log, level, strbuf_cstr(&msg), &line);
	fwrite(line.buf, 1, line.len, log->out);
	fflush(log->out);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/datapath/verifier_log.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"

const char *verifier_log_end(const char *log, size_t most)
{
	size_t n = strlen(log);
	const char *from = n > most ? log + n - most : log;

	if (from != log && strchr(from, '\n'))
		from = strchr(from, '\n') + 1;
	return from;
}

void verifier_log_reason(const char *log, char *ret, size_t size)
{
	static const char *const tails[] = {"processed ", "verification time ", "stack depth "};
	const char *end = log + strlen(log);

	*ret = 0;
	while (end > log) {
		const char *line = end - 1;
		bool tail = false;

		while (line > log && line[-1] != '\n')
			line--;
		for (size_t i = 0; i < ARRAY_SIZE(tails); i++)
			tail |= str_starts(line, tails[i]);
		snprintf(ret, size, "%.*s", (int)strcspn(line, "\n"), line);
		if (*ret && !tail)
			return;
		end = line;
	}
}

/* Shorter numbers are values, not addresses. */
enum { ADDRESS_DIGITS = 12 };

void verifier_log_scrub(char *log)
{
	char *out = log;

	for (const char *in = log; *in;) {
		size_t n = str_starts(in, "0x") ? strspn(in + 2, "0123456789abcdef") : 0;

		if (n >= ADDRESS_DIGITS) {
			memcpy(out, "0x*", 3);
			out += 3;
			in += 2 + n;
		} else {
			*out++ = *in++;
		}
	}
	*out = 0;
}

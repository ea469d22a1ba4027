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

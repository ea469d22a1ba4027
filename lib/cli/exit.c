/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cli/exit.h"

#include <stddef.h>

#include "lib/base/macros.h"

static const struct {
	int number;
	const char *meaning;
} codes[] = {
#define EXIT_CODE_ROW(symbol, number, meaning) {number, meaning},
	EXIT_CODES(EXIT_CODE_ROW)
#undef EXIT_CODE_ROW
};

const char *exit_code_meaning(int code)
{
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i].number == code)
			return codes[i].meaning;
	return "unknown exit code";
}

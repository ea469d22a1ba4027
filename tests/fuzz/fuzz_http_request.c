/* SPDX-License-Identifier: Apache-2.0 */
/* The server's request parser, fed in pieces of a size taken from the input. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "lib/base/macros.h"
#include "lib/http/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_parser p;
	size_t step, at = 1, used;
	int r = 0;

	if (size < 2)
		return 0;
	step = (size_t)data[0] + 1;
	http_parser_init(&p, 4096, 4096);
	while (r >= 0 && at < size) {
		size_t piece = MIN(step, size - at);

		r = http_parser_feed(&p, (const char *)data + at, piece, &used);
		if (used > piece || p.message.body.len > 4096)
			abort();
		if (r == 0 && used != piece)
			abort(); /* stopped without a verdict */
		at += used;
		if (r == 1)
			http_parser_next(&p);
	}
	http_parser_release(&p);
	return 0;
}

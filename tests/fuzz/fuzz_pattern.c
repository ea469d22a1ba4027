/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as an expression, and what is behind its first newline as a string: refused with its
 * place, or a set whose complement has all other strings, and that prints to itself. */
#include <string.h>

#include "lib/pattern/pattern.h"
#include "tests/fuzz/fuzz.h"

static void print_again(struct arena *a, const struct pattern *p)
{
	struct error err = ERROR_INIT;
	const char *text;
	int r = pattern_print(a, p, 500, &text, &err);

	fuzz_check(!r || r == -E2BIG || (r == -ENOENT && pattern_is_empty(p)));
}

static void ask(struct arena *a, const struct pattern *p, const char *s, size_t n)
{
	const struct pattern *not = pattern_not(a, p);
	const char *member = pattern_witness(a, p);

	fuzz_check(!pattern_matches(p, s, n) || !pattern_matches(not, s, n));
	fuzz_check(pattern_matches(pattern_all(a), s, n) ==
		   (pattern_matches(p, s, n) || pattern_matches(not, s, n)));
	fuzz_check(!member == pattern_is_empty(p));
	fuzz_check(!member || pattern_matches(p, member, strlen(member)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA_INIT;
	const char *line = memchr(data, '\n', n);
	const size_t len = line ? (size_t)(line - (const char *)data) : n;
	const char *text = arena_strndup(&a, (const char *)data, len);
	struct error err = ERROR_INIT;
	struct pattern *p;
	int r = len > 200 ? -E2BIG : pattern_regex(&a, text, &p, &err);

	if (!r) {
		ask(&a, p, line ? line + 1 : "", line ? n - len - 1 : 0);
		print_again(&a, p);
		print_again(&a, pattern_not(&a, p));
	} else {
		fuzz_check(len > 200 || err.msg[0]);
	}
	arena_release(&a);
	return 0;
}

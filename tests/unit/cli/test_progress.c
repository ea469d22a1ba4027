/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cli/progress.h"

#include <string.h>

#include "tests/support/test.h"

struct fixture {
	struct progress p;
	struct fake_clock clock;
	FILE *out;
	char *text;
	size_t n;
};

static void begin(struct fixture *f)
{
	*f = (struct fixture){0};
	f->out = tmpfile();
	fake_clock_init(&f->clock, 0);
	fake_clock_advance(&f->clock, NS_PER_S);
	progress_init(&f->p, f->out, &f->clock.clock);
}

static const char *end(struct fixture *f)
{
	static char text[2048];

	progress_release(&f->p);
	rewind(f->out);
	text[fread(text, 1, sizeof(text) - 1, f->out)] = '\0';
	fclose(f->out);
	return text;
}

TEST(a_file_gets_plain_whole_lines)
{
	struct fixture f;

	begin(&f);
	assert_false(f.p.live);
	f.p.steps = 2;
	progress_begin(&f.p, "build");
	progress_live(&f.p, "never seen");
	fake_clock_advance(&f.clock, 1500 * NS_PER_MS);
	progress_end(&f.p, "build", "ok");
	progress_line(&f.p, "note");
	assert_string_equal(end(&f), "[1/2] build ...\n[1/2] build: ok (1.5 s)\nnote\n");
}

TEST(a_terminal_gets_a_live_line_that_disappears)
{
	struct fixture f;

	begin(&f);
	f.p.live = true;
	f.p.width = 11;
	progress_live(&f.p, "12345678901234");
	progress_live(&f.p, "too soon");
	fake_clock_advance(&f.clock, NS_PER_S);
	progress_line(&f.p, "kept");
	assert_string_equal(end(&f), "\r\033[K1234567890\r\033[Kkept\n\r\033[Ktoo soon\r\033[K");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_gets_plain_whole_lines),
		cmocka_unit_test(a_terminal_gets_a_live_line_that_disappears),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

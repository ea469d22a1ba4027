/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a condition and as a template: refused with its place, or a tree that prints to
 * itself and whose evaluation ends, with a reason when unknown. */
#include <string.h>

#include "runbooks/template.h"
#include "tests/fuzz/fuzz.h"

static const char data_text[] =
	"{\"a\": 1, \"b\": [1, \"15m\", null, 0.5], \"c\": {\"d\": \"12%\"}}";

static void evaluate(struct arena *a, const struct expr *e)
{
	struct doc *data = NULL;
	struct expr_value v;

	fuzz_check(doc_read_json(a, data_text, strlen(data_text), NULL, &data, NULL) == 0);
	v = expr_eval(a, e, data);
	fuzz_check(v.type != EXPR_T_UNKNOWN || (v.text && *v.text));
	expr_decide(a, e, NULL, NULL);
}

static void print_again(struct arena *a, const struct expr *e)
{
	struct strbuf text = STRBUF_INIT;
	const struct expr *again = NULL;

	expr_print(e, &text);
	if (text.len <= EXPR_MAX_BYTES) {
		fuzz_check(expr_parse(a, strbuf_cstr(&text), &again, NULL) == 0);
		fuzz_check(expr_equal(e, again));
	}
	strbuf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA_INIT;
	const char *text = arena_strndup(&a, (const char *)data, n);
	struct error err = ERROR_INIT;
	const struct expr *e = NULL;
	struct template t = {0};

	if (expr_parse(&a, text, &e, &err) == 0) {
		print_again(&a, e);
		evaluate(&a, e);
	} else {
		fuzz_check(err.msg[0] >= '1' && err.msg[0] <= '9');
	}
	if (template_parse(&a, text, &t, NULL) == 0)
		template_render(&a, &t, NULL);
	arena_release(&a);
	return 0;
}

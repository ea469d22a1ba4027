/* SPDX-License-Identifier: Apache-2.0 */
#include "runbooks/template.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"

/* The end of ${ ... }, over strings within that may hold a }. */
static const char *closing(const char *p)
{
	char quote = 0;

	for (; *p; p++) {
		if (quote && *p == '\\' && p[1])
			p++;
		else if (quote)
			quote = *p == quote ? 0 : quote;
		else if (*p == '"' || *p == '\'')
			quote = *p;
		else if (*p == '}')
			return p;
	}
	return NULL;
}

static int add_expr(struct arena *a, const char *text, const char *from, const char *end,
		    struct template *t, struct error *err)
{
	const char *inner = arena_strndup(a, from, (size_t)(end - from));
	int rc = expr_parse(a, inner, &t->parts[t->n].expr, err);

	if (rc < 0)
		return error_wrap(err, rc, "column %zu: ${%.60s}", (size_t)(from - text) - 1,
				  inner);
	t->n++;
	return 0;
}

int template_parse(struct arena *a, const char *text, struct template *ret_template,
		   struct error *err)
{
	struct template t = {0};
	const char *p = text;
	size_t most = 1; /* a ${...} and the text behind it for every dollar sign */

	if (strlen(text) > TEMPLATE_MAX_BYTES)
		return error_set(err, -E2BIG, "column 1: a text of more than %u bytes",
				 TEMPLATE_MAX_BYTES);
	for (const char *dollar = text; (dollar = strchr(dollar, '$')); dollar++)
		most += 2;
	t.parts = arena_array(a, MIN(most, TEMPLATE_MAX_PARTS) + 1, struct template_part);
	while (*p) {
		const size_t plain = strcspn(p, "$");
		const char *end;

		if (t.n + 1 > TEMPLATE_MAX_PARTS)
			return error_set(err, -E2BIG, "column %zu: more than %u parts",
					 (size_t)(p - text) + 1, TEMPLATE_MAX_PARTS);
		if (plain) {
			t.parts[t.n++].text = arena_strndup(a, p, plain);
			p += plain;
		} else if (p[1] == '$') {
			t.parts[t.n++].text = "$";
			p += 2;
		} else if (p[1] == '{' && (end = closing(p + 2))) {
			int rc = add_expr(a, text, p + 2, end, &t, err);

			if (rc < 0)
				return rc;
			p = end + 1;
		} else {
			return error_set(err, -EINVAL,
					 "column %zu: a $ that begins no ${...} (a dollar sign is "
					 "$$)",
					 (size_t)(p - text) + 1);
		}
	}
	*ret_template = t;
	return 0;
}

static void write_duration(int64_t ns, struct strbuf *out)
{
	const struct expr e = {.op = EXPR_DURATION,
			       .number = ns == INT64_MIN ? INT64_MAX : llabs(ns)};

	strbuf_adds(out, ns < 0 ? "-" : "");
	expr_print(&e, out);
}

static int write_value(struct arena *a, const struct expr_value *v, struct strbuf *out)
{
	switch (v->type) {
	case EXPR_T_STRING:
		strbuf_adds(out, v->text);
		return 0;
	case EXPR_T_BOOL:
		strbuf_adds(out, v->number ? "true" : "false");
		return 0;
	case EXPR_T_INT:
		strbuf_addf(out, "%" PRId64, v->number);
		return 0;
	case EXPR_T_REAL:
		doc_write_json(doc_real(a, v->real), DOC_COMPACT, out);
		return 0;
	case EXPR_T_DURATION:
		write_duration(v->number, out);
		return 0;
	case EXPR_T_UNKNOWN:
	case EXPR_T_LIST:
	case EXPR_T_MAP:
		break;
	}
	return -EINVAL;
}

struct expr_value template_render(struct arena *a, const struct template *t, const struct doc *data)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;

	for (size_t i = 0; i < t->n; i++) {
		struct expr_value v;

		if (t->parts[i].text) {
			strbuf_adds(&out, t->parts[i].text);
			continue;
		}
		v = expr_eval(a, t->parts[i].expr, data);
		if (v.type == EXPR_T_UNKNOWN)
			return v;
		if (write_value(a, &v, &out) < 0)
			return (struct expr_value){.text = arena_printf(a,
									"a part of the text is %s",
									expr_type_name(v.type))};
	}
	return (struct expr_value){.type = EXPR_T_STRING,
				   .text = arena_strdup(a, strbuf_cstr(&out))};
}

bool template_is_one(const char *text)
{
	return text && strstr(text, "${");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/table.h"

#include <string.h>

#include "agent/cli/commands.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

static void join(const struct doc *list, struct strbuf *out)
{
	for (size_t i = 0; i < doc_len(list); i++)
		strbuf_addf(out, "%s%s", i ? "," : "", str_or_empty(doc_str(doc_at(list, i))));
}

static void join_backends(const struct doc *list, struct strbuf *out)
{
	for (size_t i = 0; i < doc_len(list); i++) {
		const struct doc *b = doc_at(list, i);

		strbuf_addf(out, "%s%s", i ? ", " : "", str_or_empty(doc_find_str(b, "address")));
		if (str_eq(doc_find_str(b, "state"), "terminating"))
			strbuf_adds(out, " (terminating)");
	}
}

static void cell(const struct doc *item, const struct column *c, struct strbuf *out)
{
	const struct doc *d = doc_find(item, c->path);
	size_t before = out->len;

	if (c->kind == COLUMN_FLAG)
		strbuf_adds(out, doc_bool_or(d, false) ? "yes" : "no");
	else if (c->kind == COLUMN_LIST)
		join(d, out);
	else if (c->kind == COLUMN_BACKENDS)
		join_backends(d, out);
	else if (d && d->kind == DOC_INT)
		strbuf_addf(out, "%lld", (long long)d->integer);
	else if (d && d->kind == DOC_BOOL)
		strbuf_adds(out, d->boolean ? "yes" : "no");
	else if (!str_empty(doc_str(d)))
		strbuf_adds(out, doc_str(d));
	if (out->len == before)
		strbuf_addc(out, '-');
}

static void widen(const struct doc *items, const struct column *columns, size_t n, size_t *widths)
{
	for (size_t c = 0; c < n; c++) {
		widths[c] = strlen(columns[c].title);
		for (size_t i = 0; i < doc_len(items); i++) {
			auto_release(strbuf) struct strbuf text = STRBUF_INIT;

			cell(doc_at(items, i), &columns[c], &text);
			widths[c] = MAX(widths[c], text.len);
		}
	}
}

void table_print(FILE *out, const struct doc *items, const struct column *columns, size_t n)
{
	auto_free size_t *widths = xcalloc(n, sizeof(*widths));

	widen(items, columns, n, widths);
	for (size_t c = 0; c < n; c++)
		fprintf(out, "%-*s%s", c + 1 < n ? (int)widths[c] : 0, columns[c].title,
			c + 1 < n ? "  " : "\n");
	for (size_t i = 0; i < doc_len(items); i++) {
		for (size_t c = 0; c < n; c++) {
			auto_release(strbuf) struct strbuf text = STRBUF_INIT;

			cell(doc_at(items, i), &columns[c], &text);
			fprintf(out, "%-*s%s", c + 1 < n ? (int)widths[c] : 0, strbuf_cstr(&text),
				c + 1 < n ? "  " : "\n");
		}
	}
}

void table_print_doc(FILE *out, const struct doc *doc, int format)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;

	if (format == OUTPUT_YAML) {
		doc_write_yaml(doc, &text);
	} else {
		doc_write_json(doc, DOC_PRETTY, &text);
		strbuf_addc(&text, '\n');
	}
	fputs(strbuf_cstr(&text), out);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/report/markup.h"

#include <stdarg.h>
#include <stdlib.h>

#include "lib/base/alloc.h"

void markup_init(struct markup *m, struct strbuf *out)
{
	*m = (struct markup){.out = out};
}

/* The five characters of XML; what XML 1.0 cannot hold becomes U+FFFD. */
static void escape(struct strbuf *out, const char *text)
{
	for (const char *c = text ? text : ""; *c; c++) {
		switch (*c) {
		case '&':
			strbuf_adds(out, "&amp;");
			break;
		case '<':
			strbuf_adds(out, "&lt;");
			break;
		case '>':
			strbuf_adds(out, "&gt;");
			break;
		case '"':
			strbuf_adds(out, "&quot;");
			break;
		case '\'':
			strbuf_adds(out, "&#39;");
			break;
		default:
			if ((unsigned char)*c < 0x20 && *c != '\n' && *c != '\t' && *c != '\r')
				strbuf_adds(out, "\xef\xbf\xbd");
			else
				strbuf_addc(out, *c);
		}
	}
}

static void finish_tag(struct markup *m)
{
	if (m->in_tag)
		strbuf_addc(m->out, '>');
	m->in_tag = false;
}

static void new_line(struct markup *m, size_t depth)
{
	if (m->out->len && !m->has_text) {
		strbuf_addc(m->out, '\n');
		for (size_t i = 0; i < depth; i++)
			strbuf_addc(m->out, ' ');
	}
}

void markup_open(struct markup *m, const char *name)
{
	finish_tag(m);
	if (m->depth == MARKUP_MAX_DEPTH)
		abort(); /* depth is the caller's code, never its data */
	new_line(m, m->depth);
	strbuf_addf(m->out, "<%s", name);
	m->open[m->depth++] = name;
	m->in_tag = true;
	m->has_text = false;
}

void markup_attr(struct markup *m, const char *name, const char *value)
{
	if (!value)
		return;
	strbuf_addf(m->out, " %s=\"", name);
	escape(m->out, value);
	strbuf_addc(m->out, '"');
}

void markup_attrf(struct markup *m, const char *name, const char *fmt, ...)
{
	auto_free char *value = NULL;
	va_list ap;

	va_start(ap, fmt);
	value = xvasprintf(fmt, ap);
	va_end(ap);
	markup_attr(m, name, value);
}

void markup_text(struct markup *m, const char *text)
{
	finish_tag(m);
	escape(m->out, text);
	m->has_text = true;
}

void markup_textf(struct markup *m, const char *fmt, ...)
{
	auto_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	markup_text(m, text);
}

void markup_close(struct markup *m)
{
	bool empty = m->in_tag;

	finish_tag(m);
	m->depth--;
	if (!empty)
		new_line(m, m->depth);
	strbuf_addf(m->out, "</%s>", m->open[m->depth]);
	m->has_text = false;
}

void markup_element(struct markup *m, const char *name, const char *text)
{
	markup_open(m, name);
	markup_text(m, text);
	markup_close(m);
}

void markup_void(struct markup *m)
{
	finish_tag(m);
	m->depth--;
	m->has_text = false;
}

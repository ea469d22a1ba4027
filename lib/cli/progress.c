/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cli/progress.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/base/str.h"

#define REDRAW_NS (NS_PER_S / 10)

void progress_init(struct progress *p, FILE *out, const struct clock *clock)
{
	struct winsize ws = {0};
	const char *term = getenv("TERM");

	*p = (struct progress){.out = out, .clock = clock, .width = 80};
	p->live = isatty(fileno(out)) && !str_empty(term) && !str_eq(term, "dumb") &&
		  str_empty(getenv("NO_COLOR"));
	if (p->live && !ioctl(fileno(out), TIOCGWINSZ, &ws) && ws.ws_col)
		p->width = ws.ws_col;
}

static void erase(const struct progress *p)
{
	if (p->live && p->line.len)
		fputs("\r\033[K", p->out);
}

static void draw(struct progress *p)
{
	if (p->live && p->line.len)
		fprintf(p->out, "\r\033[K%.*s", (int)p->width - 1, strbuf_cstr(&p->line));
	p->drawn_ns = clock_now_ns(p->clock);
	fflush(p->out);
}

void progress_release(struct progress *p)
{
	erase(p);
	fflush(p->out);
	strbuf_release(&p->line);
}

void progress_line(struct progress *p, const char *fmt, ...)
{
	va_list ap;

	erase(p);
	va_start(ap, fmt);
	vfprintf(p->out, fmt, ap);
	va_end(ap);
	fputc('\n', p->out);
	draw(p);
}

void progress_live(struct progress *p, const char *fmt, ...)
{
	va_list ap;

	if (!p->live)
		return;
	strbuf_clear(&p->line);
	va_start(ap, fmt);
	strbuf_vaddf(&p->line, fmt, ap);
	va_end(ap);
	if (!p->drawn_ns || clock_now_ns(p->clock) - p->drawn_ns >= REDRAW_NS)
		draw(p);
}

static void add_counter(const struct progress *p, struct strbuf *sb)
{
	if (p->steps)
		strbuf_addf(sb, "[%u/%u] ", p->step, p->steps);
}

void progress_begin(struct progress *p, const char *fmt, ...)
{
	va_list ap;

	p->step++;
	p->step_began_ns = clock_now_ns(p->clock);
	erase(p);
	strbuf_clear(&p->line);
	add_counter(p, &p->line);
	va_start(ap, fmt);
	strbuf_vaddf(&p->line, fmt, ap);
	va_end(ap);
	if (p->live) {
		draw(p);
		return;
	}
	fprintf(p->out, "%s ...\n", strbuf_cstr(&p->line));
	strbuf_clear(&p->line);
	fflush(p->out);
}

void progress_end(struct progress *p, const char *title, const char *word)
{
	double seconds = (double)(clock_now_ns(p->clock) - p->step_began_ns) / (double)NS_PER_S;
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	erase(p);
	strbuf_clear(&p->line);
	add_counter(p, &sb);
	fprintf(p->out, "%s%s: %s (%.1f s)\n", strbuf_cstr(&sb), title, word, seconds);
	fflush(p->out);
}

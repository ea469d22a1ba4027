/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/run/print.h"

#include "lib/base/io.h"

void print_format(enum print_format format, const struct doc *d, const struct page *page,
		  struct strbuf *out)
{
	switch (format) {
	case PRINT_JSON:
		doc_write_json(d, DOC_PRETTY, out);
		strbuf_addc(out, '\n');
		return;
	case PRINT_YAML:
		doc_write_yaml(d, out);
		return;
	case PRINT_HTML:
		page_render_html(page, out);
		return;
	case PRINT_MARKDOWN:
		page_render_markdown(page, out);
		return;
	case PRINT_TABLE:
	case PRINT_FORMAT_COUNT:
		break;
	}
	page_render_text(page, out);
}

int print_text(FILE *out, const char *file, const struct strbuf *text, struct error *err)
{
	if (file)
		return io_write_file_atomic(file, strbuf_cstr(text), text->len, 0644, err);
	fwrite(strbuf_cstr(text), 1, text->len, out);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `sidestep lab image`: which build folder an image means. */
#include <stdio.h>
#include <string.h>

#include "deploy/lab/images.h"
#include "deploy/lab/lab.h"
#include "deploy/lab/options.h"

static const char *file_of(struct lab *lab)
{
	return arena_printf(&lab->arena, "%s/" IMAGES_FILE, lab->dir);
}

int lab_image_add_main(const struct cli_call *call, struct error *err)
{
	const struct lab_options *o = call->opts;
	struct lab lab;
	int r = lab_load(&lab, o->lab, err);

	if (!r)
		r = images_add(file_of(&lab), call->args[0], call->args[1], err);
	lab_release(&lab);
	return r;
}

int lab_image_list_main(const struct cli_call *call, struct error *err)
{
	const struct status_options *o = call->opts;
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct doc *map = NULL;
	struct lab lab;
	int r = lab_load(&lab, o->lab.lab, err);

	if (!r)
		r = images_read(&lab.arena, file_of(&lab), &map, err);
	if (!r && o->output == 1)
		doc_write_json(map, DOC_PRETTY, &text);
	else if (!r && o->output == 2)
		doc_write_yaml(map, &text);
	else if (!r)
		doc_foreach_entry (map, e)
			strbuf_addf(&text, "%-40s %s\n", e->key, doc_str(e->value));
	fputs(strbuf_cstr(&text), call->out);
	if (!r && o->output == 1)
		fputc('\n', call->out);
	lab_release(&lab);
	return r;
}

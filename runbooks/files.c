/* SPDX-License-Identifier: Apache-2.0 */
#include "runbooks/files.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "runbooks/shipped.h"

static void add_text(struct sources *s, const char *from, const char *text, size_t n)
{
	struct doc_stream stream = {0};
	struct error err = ERROR_INIT;
	int rc = doc_read_yaml(s->arena, text, n, from, &stream, &err);

	if (rc < 0 || !stream.n) {
		struct source *bad = vec_add(&s->all);

		bad->from = from;
		bad->why_not = arena_strdup(
			s->arena,
			rc < 0 ? err.msg : arena_printf(s->arena, "%s: an empty file", from));
	}
	for (size_t i = 0; rc == 0 && i < stream.n; i++) {
		struct source *one = vec_add(&s->all);

		one->from = from;
		one->root = stream.docs[i];
	}
}

static int add_file(struct sources *s, const char *path, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	int rc = io_read_file(path, RUNBOOK_MAX_FILE, &text, err);

	if (rc < 0)
		return rc;
	add_text(s, arena_strdup(s->arena, path), strbuf_cstr(&text), text.len);
	return 0;
}

static int yaml_file(const struct dirent *d)
{
	return d->d_name[0] != '.' && (str_ends(d->d_name, ".yaml") || str_ends(d->d_name, ".yml"));
}

/* The YAML files of a folder by name, or the one file. */
int sources_add_path(struct sources *s, const char *path, struct error *err)
{
	struct dirent **names = NULL;
	struct stat st;
	int n, rc = 0;

	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return add_file(s, path, err);
	n = scandir(path, &names, yaml_file, alphasort);
	if (n < 0)
		return error_errno(err, -errno, "%s", path);
	if (!n)
		rc = error_set(err, -ENOENT, "%s: no file there ends in .yaml", path);
	if (n > (int)RUNBOOK_MAX_FILES)
		rc = error_set(err, -E2BIG, "%s: more than %u files", path, RUNBOOK_MAX_FILES);
	for (int i = 0; i < n; i++) {
		const char *file = arena_printf(s->arena, "%s/%s", path, names[i]->d_name);

		/* A pipe that somebody left there would be waited for. */
		if (!rc && stat(file, &st) == 0 && !S_ISREG(st.st_mode))
			rc = error_set(err, -EINVAL, "%s: not a regular file", file);
		if (!rc)
			rc = add_file(s, file, err);
		free(names[i]);
	}
	free(names);
	return rc;
}

void sources_add_shipped(struct sources *s)
{
	for (size_t i = 0; i < shipped_runbooks_n; i++)
		add_text(s, arena_printf(s->arena, "shipped/%s", shipped_runbooks[i].file),
			 shipped_runbooks[i].text, shipped_runbooks[i].n);
}

int sources_add_all(struct sources *s, char **paths, int n, struct error *err)
{
	int rc = 0;

	if (!n)
		sources_add_shipped(s);
	for (int i = 0; i < n && !rc; i++)
		rc = sources_add_path(s, paths[i], err);
	return rc;
}

void sources_add_shipped_cases(struct sources *s)
{
	for (size_t i = 0; i < shipped_cases_n; i++)
		add_text(s, arena_printf(s->arena, "fixtures/%s", shipped_cases[i].file),
			 shipped_cases[i].text, shipped_cases[i].n);
}

void sources_release(struct sources *s)
{
	vec_release(&s->all);
}

static int known_fields(struct arena *a, const struct bind_unknown *unknown, const char *what,
			struct error *err)
{
	if (!unknown->n)
		return 0;
	return error_set(err, -EINVAL, "%s: a %s has no field %s",
			 doc_where(a, unknown->items[0].node), what, unknown->items[0].path);
}

int source_runbook(struct arena *a, const struct source *s, struct runbook *ret_runbook,
		   struct error *err)
{
	struct bind_unknown unknown = {.arena = a};
	int rc = s->root ? runbook_decode(a, s->root, ret_runbook, &unknown, err)
			 : error_set(err, -EINVAL, "%s", s->why_not);

	return rc ? rc : known_fields(a, &unknown, "runbook", err);
}

int source_fixture(struct arena *a, const struct source *s, struct fixture *ret_fixture,
		   struct error *err)
{
	struct bind_unknown unknown = {.arena = a};
	int rc = s->root ? fixture_decode(a, s->root, ret_fixture, &unknown, err)
			 : error_set(err, -EINVAL, "%s", s->why_not);

	return rc ? rc : known_fields(a, &unknown, "fixture", err);
}

static int find_shipped(struct sources *s, const char *what, struct runbook *ret_runbook,
			struct error *err)
{
	sources_add_shipped(s);
	for (size_t i = 0; i < s->all.n; i++) {
		const struct doc *root = s->all.items[i].root;

		if (str_eq(doc_find_str(root, "metadata.name"), what) ||
		    str_eq(doc_find_str(root, "metadata.id"), what))
			return source_runbook(s->arena, &s->all.items[i], ret_runbook, err);
	}
	return error_set(err, -ENOENT,
			 "no runbook %s is shipped (see sidestep-runbook list; a file's name has "
			 "a . or a /)",
			 what);
}

int source_find(struct arena *a, const char *what, struct runbook *ret_runbook, struct error *err)
{
	struct sources s = {.arena = a};
	int rc;

	if (!strchr(what, '/') && !strchr(what, '.') && !str_eq(what, "-")) {
		rc = find_shipped(&s, what, ret_runbook, err);
	} else {
		rc = add_file(&s, what, err);
		if (!rc && s.all.n != 1)
			rc = error_set(err, -EINVAL, "%s: %zu documents, want one", what, s.all.n);
		if (!rc)
			rc = source_runbook(a, &s.all.items[0], ret_runbook, err);
	}
	sources_release(&s);
	return rc;
}

const char *const runbook_doc_formats[] = {"table", "json", "yaml", NULL};

/* For terminals: a stranger's text must not steer one. */
void put_plain(FILE *out, struct strbuf *text)
{
	for (size_t i = 0; i < text->len; i++) {
		const unsigned char c = (unsigned char)text->buf[i];

		if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f)
			text->buf[i] = '?';
	}
	fwrite(strbuf_cstr(text), 1, text->len, out);
}

void put_doc(FILE *out, const struct doc *d, int format)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;

	if (format == FORMAT_YAML) {
		doc_write_yaml(d, &text);
	} else {
		doc_write_json(d, DOC_PRETTY, &text);
		strbuf_addc(&text, '\n');
	}
	fwrite(strbuf_cstr(&text), 1, text.len, out);
}

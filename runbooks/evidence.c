/* SPDX-License-Identifier: Apache-2.0 */
#include "runbooks/evidence.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/step/digest.h"

#define MAX_FILE (16u << 20)

bool evidence_plain_name(const char *name)
{
	return !str_empty(name) && strlen(name) <= 100 && isalnum((unsigned char)*name) &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				 "-_.")] == 0 &&
	       !strstr(name, "..");
}

uint64_t evidence_size(const char *text)
{
	const size_t digits = text ? strspn(text, "0123456789") : 0;
	uint64_t n = 0;

	if (!digits || digits > 9)
		return 0;
	for (size_t i = 0; i < digits; i++)
		n = n * 10 + (uint64_t)(text[i] - '0');
	if (str_starts(text + digits, "Ki"))
		n <<= 10;
	else if (str_starts(text + digits, "Mi"))
		n <<= 20;
	else
		return 0;
	return str_eq(text + digits + 2, "B") || !text[digits + 2] ? n : 0;
}

/* --- redaction ---------------------------------------------------------------------------------
 */

static size_t differences(const struct doc *before, const struct doc *after)
{
	size_t n = 0;

	if (!before || !after || before->kind != after->kind)
		return before != after;
	if (before->kind == DOC_STRING)
		return !str_eq(before->string, after->string);
	doc_foreach_item (before, it)
		n += differences(it, doc_at(after, it_i));
	doc_foreach_entry (before, e)
		n += differences(e->value, doc_get(after, e->key));
	return n;
}

static void redact_texts(struct evidence_store *e, struct arena *a, struct doc *d)
{
	if (d->kind == DOC_STRING)
		d->string = secret_text(a, &e->key, d->string);
	doc_foreach_item (d, it)
		redact_texts(e, a, it);
	doc_foreach_entry (d, en) {
		if (en->value->kind == DOC_STRING && secret_name(en->key))
			en->value->string = secret_digest(a, &e->key, en->value->string,
							  strlen(en->value->string));
		else
			redact_texts(e, a, en->value);
	}
}

/* Objects within (a row may be one) as objects, for a Secret's data has no telling names. */
static struct doc *redact_objects(struct evidence_store *e, struct arena *a, const struct doc *d)
{
	struct doc *out;

	if (d->kind == DOC_MAP && doc_get(d, "kind") && doc_get(d, "apiVersion"))
		return secret_redact(a, &e->key, d);
	if (d->kind == DOC_LIST) {
		out = doc_list(a);
		doc_foreach_item (d, it)
			doc_append(a, out, redact_objects(e, a, it));
		return out;
	}
	if (d->kind != DOC_MAP)
		return doc_clone(a, d);
	out = doc_map(a);
	doc_foreach_entry (d, en)
		doc_set(a, out, en->key, redact_objects(e, a, en->value));
	return out;
}

struct doc *evidence_redact(struct evidence_store *e, struct arena *a, const struct doc *value,
			    size_t *ret_n)
{
	struct doc *out = doc_clone(a, redact_objects(e, a, value));

	redact_texts(e, a, out);
	if (ret_n)
		*ret_n = differences(value, out);
	return out;
}

/* --- the index ---------------------------------------------------------------------------------
 */

static bool hex_digest(const char *s)
{
	return s && strlen(s) == DIGEST_HEX && s[strspn(s, "0123456789abcdef")] == 0;
}

/* "3-drops/drops.json": two plain names. */
static bool plain_path(const char *path)
{
	char folder[128];
	const char *slash = path ? strchr(path, '/') : NULL;

	if (!slash || (size_t)(slash - path) >= sizeof(folder))
		return false;
	memcpy(folder, path, (size_t)(slash - path));
	folder[slash - path] = '\0';
	return evidence_plain_name(folder) && evidence_plain_name(slash + 1);
}

int evidence_index_check(const struct doc *index, struct error *err)
{
	const struct doc *files = doc_get(index, "files");

	if (!doc_str(doc_get(index, "run")) || !files || files->kind != DOC_LIST)
		return error_set(err, -EINVAL, "no index of evidence: want run and files");
	if (doc_len(files) > EVIDENCE_MAX_FILES)
		return error_set(err, -EINVAL, "an index of more than %u files",
				 EVIDENCE_MAX_FILES);
	doc_foreach_item (files, f) {
		const char *path = doc_find_str(f, "file");
		const int64_t bytes = doc_find_int(f, "bytes", -1);

		if (!plain_path(path))
			return error_set(err, -EINVAL, "files[%zu]: %.80s is no file of the folder",
					 f_i, str_or_empty(path));
		if (!hex_digest(doc_find_str(f, "sha256")) || bytes < 0 || bytes > MAX_FILE)
			return error_set(err, -EINVAL, "files[%zu]: want sha256 and bytes", f_i);
	}
	return 0;
}

static int read_index(struct evidence_store *e, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	const char *path = arena_printf(e->arena, "%s/index.json", e->dir);
	int rc;

	if (!io_exists(path))
		return 0;
	rc = io_read_file(path, EVIDENCE_MAX_INDEX, &text, err);
	if (!rc)
		rc = doc_read_json(e->arena, text.buf, text.len, path, &e->index, err);
	return rc ? rc : evidence_index_check(e->index, err);
}

int evidence_open(struct evidence_store *e, struct arena *a, const char *root, const char *run,
		  const struct clock *clock, struct error *err)
{
	char node[128] = "";
	int rc;

	*e = (struct evidence_store){.arena = a, .run = run, .clock = clock};
	if (!evidence_plain_name(run))
		return error_set(err, -EINVAL, "%.60s is no run's name", run);
	gethostname(node, sizeof(node) - 1);
	e->node = arena_strdup(a, node);
	e->dir = arena_printf(a, "%s/%s", root, run);
	rc = secret_key_random(&e->key, err);
	if (rc)
		return rc;
	e->index = doc_map(a);
	doc_set_string(a, e->index, "run", run);
	doc_set_int(a, e->index, "bytes", 0);
	doc_set_list(a, e->index, "files");
	return read_index(e, err);
}

/* --- files -------------------------------------------------------------------------------------
 */

/* Rows from the end go until it fits; what has no rows becomes a note. */
static bool cut(struct arena *a, const struct doc *value, uint64_t max, struct strbuf *out)
{
	struct doc *d = doc_clone(a, value), *rows = doc_get(d, "rows");
	const size_t all = doc_len(rows);

	doc_write_json(d, DOC_PRETTY, out);
	if (out->len + 1 <= max)
		return false;
	while (rows && doc_len(rows)) {
		rows->list.n = rows->list.n / 2;
		doc_setf(a, d, "cut", "%zu of %zu rows are here", rows->list.n, all);
		strbuf_clear(out);
		doc_write_json(d, DOC_PRETTY, out);
		if (out->len + 1 <= max)
			return true;
	}
	d = doc_map(a);
	doc_setf(a, d, "cut", "it has %zu bytes, more than the %llu that are kept", out->len,
		 (unsigned long long)max);
	strbuf_clear(out);
	doc_write_json(d, DOC_PRETTY, out);
	return true;
}

static const char *folder_of(struct evidence_store *e, const char *step)
{
	const struct doc *files = doc_get(e->index, "files");
	int64_t last = 0;

	doc_foreach_item (files, f) {
		const char *file = str_or_empty(doc_find_str(f, "file"));

		if (str_eq(doc_find_str(f, "step"), step))
			return arena_strndup(e->arena, file, strcspn(file, "/"));
		last = MAX(last, strtoll(file, NULL, 10));
	}
	return arena_printf(e->arena, "%lld-%s", (long long)last + 1, step);
}

static int write_index(struct evidence_store *e, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;

	doc_write_json(e->index, DOC_PRETTY, &text);
	strbuf_addc(&text, '\n');
	return io_write_file_atomic(arena_printf(e->arena, "%s/index.json", e->dir), text.buf,
				    text.len, 0600, err);
}

/* The folder must be one of ours: a link in its place leads elsewhere. */
static int make_folder(struct evidence_store *e, const char *folder, struct error *err)
{
	const char *path = arena_printf(e->arena, "%s/%s", e->dir, folder);
	struct stat st;
	int rc = io_mkdirs(path, 0700, err);

	if (rc)
		return rc;
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return error_set(err, -EPERM, "%s is no folder of ours", path);
	return 0;
}

static struct doc *entry_of(struct evidence_store *e, const struct evidence_file *f,
			    const char *file, const struct strbuf *text, bool was_cut)
{
	struct arena *a = e->arena;
	struct doc *d = doc_map(a);
	char digest[DIGEST_HEX + 1], when[CLOCK_RFC3339_SIZE];

	doc_set_string(a, d, "file", file);
	doc_set_string(a, d, "sha256", digest_sha256(text->buf, text->len, digest));
	doc_set_int(a, d, "bytes", (int64_t)text->len);
	doc_set_string(a, d, "step", f->step);
	doc_set_string(a, d, "source", f->source);
	doc_set_string(a, d, "time", clock_rfc3339(clock_wall_ns(e->clock), 3, when));
	doc_set_string(a, d, "node", e->node);
	doc_set_int(a, d, "redactions", (int64_t)f->redactions);
	if (was_cut)
		doc_set_bool(a, d, "cut", true);
	return d;
}

static void forget(struct doc *files, const char *file)
{
	for (size_t i = doc_len(files); i--;) {
		if (str_eq(doc_find_str(doc_at(files, i), "file"), file))
			doc_remove_at(files, i);
	}
}

int evidence_add(struct evidence_store *e, const struct evidence_file *f, struct doc **ret_entry,
		 struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct doc *files = doc_get(e->index, "files"), *entry;
	const int64_t bytes = doc_find_int(e->index, "bytes", 0);
	const char *folder, *file;
	bool was_cut;
	int rc;

	if (!evidence_plain_name(f->name) || !evidence_plain_name(f->step))
		return error_set(err, -EINVAL, "%.60s/%.60s is no file of the evidence", f->step,
				 f->name);
	was_cut = cut(e->arena, f->value, MIN(f->max, MAX_FILE), &text);
	strbuf_addc(&text, '\n');
	if (bytes + (int64_t)text.len > (int64_t)EVIDENCE_BUDGET ||
	    doc_len(files) >= EVIDENCE_MAX_FILES)
		return error_set(err, -ENOSPC,
				 "the evidence of one run has %u MiB, and this would "
				 "be more",
				 EVIDENCE_BUDGET >> 20);
	folder = folder_of(e, f->step);
	file = arena_printf(e->arena, "%s/%s", folder, f->name);
	rc = make_folder(e, folder, err);
	if (!rc)
		rc = io_write_file_atomic(arena_printf(e->arena, "%s/%s", e->dir, file), text.buf,
					  text.len, 0600, err);
	if (rc)
		return rc;
	entry = entry_of(e, f, file, &text, was_cut);
	forget(files, file);
	doc_append(e->arena, files, entry);
	doc_set_int(e->arena, e->index, "bytes", bytes + (int64_t)text.len);
	*ret_entry = entry;
	return write_index(e, err);
}

static const char *problem_of(struct arena *a, const char *dir, const struct doc *f)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	const char *path = arena_printf(a, "%s/%s", dir, doc_find_str(f, "file"));
	char digest[DIGEST_HEX + 1];
	struct error why = ERROR_INIT;
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return "it is not there";
	if (io_read_file(path, MAX_FILE, &text, &why) < 0)
		return arena_strdup(a, why.msg);
	if (!str_eq(digest_sha256(text.buf, text.len, digest), doc_find_str(f, "sha256")))
		return "it is not what was written";
	return NULL;
}

int evidence_verify(struct arena *a, const char *dir, const struct doc *index,
		    struct doc **ret_findings, struct error *err)
{
	struct doc *list = doc_list(a);
	int rc = evidence_index_check(index, err);

	if (rc)
		return rc;
	doc_foreach_item (doc_get(index, "files"), f) {
		const char *problem = problem_of(a, dir, f);
		struct doc *d;

		if (!problem)
			continue;
		d = doc_append(a, list, doc_map(a));
		doc_set_string(a, d, "file", doc_find_str(f, "file"));
		doc_set_string(a, d, "problem", problem);
	}
	*ret_findings = list;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/step/world.h"

#include <string.h>

#include "lib/base/str.h"
#include "lib/base/strbuf.h"

#include "tests/support/test.h"

struct doc *world_ref(struct arena *a, const char *name)
{
	struct doc *ref = doc_map(a);

	doc_set_string(a, ref, "name", name);
	return ref;
}

static const char *name_of(const struct doc *ref)
{
	return doc_str(doc_get(ref, "name"));
}

static int world_read(void *ctx, const struct doc *ref, struct arena *a, struct doc **ret_live,
		      UNUSED struct error *err)
{
	struct world *w = ctx;
	struct doc *live = doc_get(w->objects, name_of(ref));

	*ret_live = live ? doc_clone(a, live) : NULL;
	return 0;
}

/* As an API server: defaults in the items of lists, and quantities in its own words. */
static void fill_in(struct arena *a, struct doc *d)
{
	doc_foreach_item (d, it) {
		fill_in(a, it);
		if (it->kind == DOC_MAP && !doc_get(it, "pull"))
			doc_set_string(a, it, "pull", "Always");
	}
	doc_foreach_entry (d, e) {
		fill_in(a, e->value);
		if (str_eq(doc_str(e->value), "1024Mi"))
			e->value = doc_string(a, "1Gi");
	}
}

static int world_write(void *ctx, enum change_kind kind, const struct doc *ref,
		       const struct doc *body, const struct doc *live, struct arena *a,
		       struct doc **ret_now, struct error *err)
{
	struct world *w = ctx;
	const char *name = name_of(ref);

	/* What was read must still be there: the engine may not write blindly. */
	assert_true(doc_equal(live, doc_get(w->objects, name)));
	w->writes++;
	*ret_now = NULL;
	if (kind == CHANGE_DELETE) {
		doc_del(w->objects, name);
		return 0;
	}
	if (kind == CHANGE_CREATE) {
		/* As an API server: what only it may write is refused. */
		if (doc_get(body, "version"))
			return error_set(err, -EINVAL, "version should not be set");
	}
	if (kind == CHANGE_CREATE)
		doc_set(&w->arena, w->objects, name, doc_clone(&w->arena, body));
	else
		doc_set(&w->arena, w->objects, name,
			doc_clone(&w->arena, doc_merge_patch(&w->arena, live, body)));
	fill_in(&w->arena, doc_get(w->objects, name));
	*ret_now = doc_clone(a, doc_get(w->objects, name));
	return 0;
}

static void world_digest(UNUSED void *ctx, const struct doc *object, char *buf, size_t size)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;

	doc_write_json(object, DOC_COMPACT, &text);
	snprintf(buf, size, "%016llx",
		 (unsigned long long)str_hash(text.buf, text.len, STR_HASH_SEED));
}

static struct doc *world_wanted(UNUSED void *ctx, struct arena *a, const struct doc *object)
{
	struct doc *copy = doc_clone(a, object);

	doc_del(copy, "version");
	return copy;
}

static int world_wait(void *ctx, uint64_t ns, UNUSED struct error *err)
{
	struct world *w = ctx;

	fake_clock_advance(&w->clock, ns);
	return 0;
}

static int world_check(void *ctx, struct error *err)
{
	struct world *w = ctx;

	return w->pause ? error_set(err, -EINTR, "asked to pause") : 0;
}

static int world_copy(void *ctx, UNUSED const struct journal_record *record,
		      UNUSED struct error *err)
{
	struct world *w = ctx;

	w->copies++;
	return 0;
}

static void world_boundary(void *ctx, UNUSED const char *where)
{
	struct world *w = ctx;

	if (++w->boundary != w->kill_at)
		return;
	if (w->edit && doc_get(w->objects, w->edit))
		doc_set_string(&w->arena, doc_get(w->objects, w->edit), "mode", "foreign");
	longjmp(w->killed, 1);
}

void world_init(struct world *w)
{
	*w = (struct world){.host = {.ctx = w,
				     .clock = &w->clock.clock,
				     .read = world_read,
				     .write = world_write,
				     .wanted = world_wanted,
				     .digest = world_digest,
				     .wait = world_wait,
				     .check = world_check,
				     .copy = world_copy,
				     .boundary = world_boundary}};
	fake_clock_init(&w->clock, 0);
	w->objects = doc_map(&w->arena);
}

void world_release(struct world *w)
{
	arena_release(&w->arena);
}

void world_put(struct world *w, const char *name, const char *json)
{
	struct doc *d;

	assert_int_equal(doc_read_json(&w->arena, json, strlen(json), NULL, &d, NULL), 0);
	doc_set(&w->arena, w->objects, name, d);
}

char *world_text(struct world *w)
{
	struct strbuf sb = STRBUF_INIT;
	struct doc *copy = doc_clone(&w->arena, w->objects);

	/* Versions are the server's: two worlds are equal without them. */
	doc_foreach_entry (copy, e)
		doc_del(e->value, "version");
	doc_sort_keys(copy);
	doc_write_json(copy, DOC_COMPACT, &sb);
	return strbuf_take(&sb);
}

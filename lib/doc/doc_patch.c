/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 7386 merge patch and RFC 6902 JSON patch with RFC 6901 pointers. */
#include <ctype.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/doc/doc_impl.h"

struct doc *doc_merge_patch(struct arena *a, const struct doc *target, const struct doc *patch)
{
	struct doc *result;

	if (!patch || patch->kind != DOC_MAP)
		return (struct doc *)(uintptr_t)patch;
	result = doc_map(a);
	if (target && target->kind == DOC_MAP) {
		*result = *target;
		result->map.entries = NULL;
		result->map.n = result->map.cap = 0;
		doc_foreach_entry (target, e)
			doc_map_push(a, result, e->key, e->value);
	}
	doc_foreach_entry (patch, e) {
		if (!e->value || e->value->kind == DOC_NULL)
			doc_del(result, e->key);
		else
			doc_set(a, result, e->key,
				doc_merge_patch(a, doc_get(result, e->key), e->value));
	}
	return result;
}

/* Where an operation works: the container and the last part of the pointer. */
struct place {
	struct doc *parent; /* NULL: the whole document */
	const char *key;    /* unescaped, in the arena */
};

struct patcher {
	struct arena *arena;
	struct doc *root;
	size_t index; /* of the operation, for errors */
	const char *op, *path;
	struct error *err;
};

static int fail(const struct patcher *p, int code, const char *what)
{
	return error_set(p->err, code, "patch[%zu]: %s %s: %s", p->index, p->op ? p->op : "?",
			 p->path ? p->path : "?", what);
}

/* One reference token with ~0 and ~1 decoded; *p moves to the next '/' or the end. */
static const char *next_token(struct arena *a, const char **p)
{
	const size_t n = strcspn(*p, "/");
	char *out = arena_alloc(a, n + 1), *o = out;

	for (size_t i = 0; i < n; i++) {
		char c = (*p)[i];

		if (c == '~') {
			c = ++i < n ? (*p)[i] : '\0';
			if (c != '0' && c != '1')
				return NULL;
			c = c == '0' ? '~' : '/';
		}
		*o++ = c;
	}
	*p += n;
	return out;
}

/* The index that key names in a list of n items; n itself only when at_end ("-" or n). */
static int list_index(const char *key, size_t n, bool at_end, size_t *ret)
{
	size_t v = 0;

	if (strcmp(key, "-") == 0) {
		*ret = n;
		return at_end ? 0 : -ENOENT;
	}
	if (!*key || (key[0] == '0' && key[1]) || strlen(key) > 9)
		return -EINVAL;
	for (const char *c = key; *c; c++) {
		if (!isdigit((unsigned char)*c))
			return -EINVAL;
		v = v * 10 + (size_t)(*c - '0');
	}
	*ret = v;
	return v < n || (at_end && v == n) ? 0 : -ENOENT;
}

static int child(const struct doc *parent, const char *key, struct doc **ret)
{
	size_t i;
	int r;

	*ret = NULL;
	if (parent->kind == DOC_MAP) {
		*ret = doc_get(parent, key);
	} else if (parent->kind == DOC_LIST) {
		r = list_index(key, parent->list.n, false, &i);
		if (r < 0)
			return r;
		*ret = parent->list.items[i];
	}
	return *ret ? 0 : -ENOENT;
}

/* Walks to the container of what pointer names. */
static int resolve(struct patcher *p, const char *pointer, struct place *ret)
{
	struct place at = {NULL, NULL};
	struct doc *d = p->root;

	if (!pointer || (*pointer && *pointer != '/'))
		return fail(p, -EINVAL, "not a JSON pointer");
	while (*pointer == '/') {
		int r;

		if (at.parent && (r = child(at.parent, at.key, &d)) < 0)
			return fail(p, r, r == -ENOENT ? "path is absent" : "not a list index");
		pointer++;
		at.parent = d;
		at.key = next_token(p->arena, &pointer);
		if (!at.key)
			return fail(p, -EINVAL, "~ must be followed by 0 or 1");
	}
	*ret = at;
	return 0;
}

static int lookup(struct patcher *p, const char *pointer, struct doc **ret)
{
	struct place at;
	int r = resolve(p, pointer, &at);

	if (r < 0)
		return r;
	if (!at.parent) {
		*ret = p->root;
		return 0;
	}
	r = child(at.parent, at.key, ret);
	return r < 0 ? fail(p, r, r == -ENOENT ? "path is absent" : "not a list index") : 0;
}

static void list_insert(struct arena *a, struct doc *list, size_t i, struct doc *value)
{
	doc_append(a, list, value);
	memmove(&list->list.items[i + 1], &list->list.items[i],
		(list->list.n - 1 - i) * sizeof(struct doc *));
	list->list.items[i] = value;
}

/* Levels below and including d. */
static size_t levels(const struct doc *d)
{
	size_t most = 0;

	/* MAX() looks at its arguments twice: never hand it a call that recurses. */
	doc_foreach_item (d, item) {
		const size_t n = levels(item);

		most = MAX(most, n);
	}
	doc_foreach_entry (d, e) {
		const size_t n = levels(e->value);

		most = MAX(most, n);
	}
	return most + 1;
}

static size_t tokens(const char *pointer)
{
	size_t n = 0;

	for (; *pointer; pointer++)
		n += *pointer == '/';
	return n;
}

static int add(struct patcher *p, const char *pointer, struct doc *value)
{
	struct place at;
	size_t i;
	int r = resolve(p, pointer, &at);

	if (r < 0)
		return r;
	/* A copy of a parent into its child deepens the tree; readers recurse. */
	if (tokens(pointer) + levels(value) > DOC_MAX_DEPTH)
		return fail(p, -E2BIG, "the result is nested too deep");
	if (!at.parent) {
		p->root = value;
	} else if (at.parent->kind == DOC_MAP) {
		doc_set(p->arena, at.parent, at.key, value);
	} else if (at.parent->kind == DOC_LIST) {
		r = list_index(at.key, at.parent->list.n, true, &i);
		if (r < 0)
			return fail(p, r, r == -ENOENT ? "past the end" : "not a list index");
		list_insert(p->arena, at.parent, i, value);
	} else {
		return fail(p, -ENOENT, "parent is neither map nor list");
	}
	return 0;
}

static int take(struct patcher *p, const char *pointer, struct doc **ret)
{
	struct place at;
	size_t i;
	int r = lookup(p, pointer, ret);

	if (r < 0)
		return r;
	r = resolve(p, pointer, &at);
	if (r < 0)
		return r;
	if (!at.parent) {
		p->root = doc_null(p->arena);
	} else if (at.parent->kind == DOC_MAP) {
		doc_del(at.parent, at.key);
	} else {
		r = list_index(at.key, at.parent->list.n, false, &i);
		if (r < 0)
			return fail(p, r, "path is absent");
		doc_remove_at(at.parent, i);
	}
	return 0;
}

static int op_add(struct patcher *p, const struct doc *value, UNUSED const char *from)
{
	return add(p, p->path, doc_clone(p->arena, value));
}

static int op_remove(struct patcher *p, UNUSED const struct doc *value, UNUSED const char *from)
{
	struct doc *gone;

	return take(p, p->path, &gone);
}

static int op_replace(struct patcher *p, const struct doc *value, UNUSED const char *from)
{
	struct doc *old;
	int r = lookup(p, p->path, &old);

	if (r < 0)
		return r;
	if (tokens(p->path) + levels(value) > DOC_MAX_DEPTH)
		return fail(p, -E2BIG, "the result is nested too deep");
	*old = *doc_clone(p->arena, value);
	return 0;
}

static int op_move(struct patcher *p, UNUSED const struct doc *value, const char *from)
{
	const size_t n = strlen(from);
	struct doc *d;
	int r;

	if (strcmp(from, p->path) == 0)
		return lookup(p, from, &d);
	if (str_starts(p->path, from) && p->path[n] == '/')
		return fail(p, -EINVAL, "cannot move a value into itself");
	r = take(p, from, &d);
	return r < 0 ? r : add(p, p->path, d);
}

static int op_copy(struct patcher *p, UNUSED const struct doc *value, const char *from)
{
	struct doc *d;
	int r = lookup(p, from, &d);

	return r < 0 ? r : add(p, p->path, doc_clone(p->arena, d));
}

static int op_test(struct patcher *p, const struct doc *value, UNUSED const char *from)
{
	struct doc *d;
	int r = lookup(p, p->path, &d);

	if (r < 0)
		return r;
	return doc_equal(d, value) ? 0 : fail(p, -ECANCELED, "the value is another");
}

static const struct {
	const char *name;
	bool needs_value, needs_from;
	int (*run)(struct patcher *, const struct doc *, const char *);
} ops[] = {
	{"add", true, false, op_add},         {"remove", false, false, op_remove},
	{"replace", true, false, op_replace}, {"move", false, true, op_move},
	{"copy", false, true, op_copy},       {"test", true, false, op_test},
};

static int apply_one(struct patcher *p, const struct doc *op)
{
	const struct doc *value = doc_get(op, "value");
	const char *from = doc_str(doc_get(op, "from"));

	p->op = doc_str(doc_get(op, "op"));
	p->path = doc_str(doc_get(op, "path"));
	if (!p->op || !p->path)
		return fail(p, -EINVAL, "want op and path");
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		if (strcmp(ops[i].name, p->op) != 0)
			continue;
		if (ops[i].needs_value && !value)
			return fail(p, -EINVAL, "want value");
		if (ops[i].needs_from && !from)
			return fail(p, -EINVAL, "want from");
		return ops[i].run(p, value, from);
	}
	return fail(p, -EINVAL, "unknown operation");
}

/* What copies may add up to; a few operations could otherwise double the document each. */
#define MAX_PATCH_GROWTH (256u << 20)

int doc_json_patch(struct arena *a, const struct doc *target, const struct doc *patch,
		   struct doc **ret_result, struct error *err)
{
	struct patcher p = {.arena = a, .err = err};
	const size_t before = a->used;

	if (!patch || patch->kind != DOC_LIST)
		return error_set(err, -EINVAL, "a JSON patch is a list of operations");
	p.root = target ? doc_clone(a, target) : doc_null(a);
	doc_foreach_item (patch, op) {
		int r = apply_one(&p, op);

		if (r < 0)
			return r;
		if (a->used - before > MAX_PATCH_GROWTH)
			return fail(&p, -E2BIG, "the result grows too large");
		p.index++;
	}
	*ret_result = p.root;
	return 0;
}

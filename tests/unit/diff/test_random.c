/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Laws on random objects: nothing differs from itself; a diff applied gives the other object, and
 * taken back the first again; a three-way apply gives what a second, simpler reading of the rules
 * gives. A failure prints its seed; SEED=n runs that one.
 */
#include <string.h>

#include "lib/diff/diff.h"
#include "tests/support/test.h"

#define SEEDS 3000

struct random {
	struct arena *a;
	unsigned seed;
};

static int pick(struct random *r, int n)
{
	return rand_r(&r->seed) % n;
}

/* Quantities, zeroes, texts: what has more than one spelling is among them. */
static struct doc *random_scalar(struct random *r)
{
	static const char *const words[] = {"", "a", "b", "1", "1000m", "1Gi", "true", "x"};

	switch (pick(r, 4)) {
	case 0:
		return doc_int(r->a, pick(r, 3));
	case 1:
		return doc_bool(r->a, pick(r, 2));
	default:
		return doc_string(r->a, words[pick(r, (int)ARRAY_SIZE(words))]);
	}
}

static struct doc *random_words(struct random *r)
{
	struct doc *list = doc_list(r->a);

	for (int i = pick(r, 4); i > 0; i--)
		doc_append(r->a, list, doc_stringf(r->a, "%c", 'p' + pick(r, 3)));
	return list;
}

static struct doc *random_map(struct random *r)
{
	struct doc *map = doc_map(r->a);

	for (int i = pick(r, 4); i > 0; i--)
		doc_set(r->a, map, (const char *[]){"k", "l", "m"}[pick(r, 3)], random_scalar(r));
	return map;
}

/* Items named a to d, each at most once, in any order, so that every list has its keys. */
static struct doc *random_items(struct random *r, const char *field, int depth);

static struct doc *random_item(struct random *r, char name, int depth)
{
	struct doc *item = doc_map(r->a);

	doc_setf(r->a, item, "name", "%c", name);
	if (pick(r, 2))
		doc_set(r->a, item, "image", random_scalar(r));
	if (pick(r, 2))
		doc_set(r->a, item, "args", random_words(r));
	if (pick(r, 3) == 0)
		doc_set(r->a, doc_set_map(r->a, item, "resources"), "limits", random_map(r));
	if (depth && pick(r, 2))
		doc_set(r->a, item, "env", random_items(r, "env", 0));
	return item;
}

static struct doc *random_items(struct random *r, const char *field, int depth)
{
	struct doc *list = doc_list(r->a);
	unsigned used = 0;

	(void)field;
	for (int i = pick(r, 5); i > 0; i--) {
		const int n = pick(r, 4);

		if (!(used & 1u << n))
			doc_append(r->a, list, random_item(r, (char)('a' + n), depth));
		used |= 1u << n;
	}
	return list;
}

static struct doc *random_object(struct random *r, bool custom)
{
	static const char *const fields[] = {"containers", "volumes", "initContainers"};
	struct doc *d = doc_map(r->a), *meta = doc_set_map(r->a, d, "metadata"), *spec;

	doc_set_string(r->a, d, "apiVersion", custom ? "example.org/v1" : "apps/v1");
	doc_set_string(r->a, d, "kind", custom ? "Thing" : "Deployment");
	doc_set_string(r->a, meta, "name", "x");
	if (pick(r, 2))
		doc_set(r->a, meta, "labels", random_map(r));
	spec = doc_set_map(r->a, d, "spec");
	for (int i = pick(r, 4); i > 0; i--)
		doc_set(r->a, spec, (const char *[]){"u", "v", "replicas"}[pick(r, 3)],
			random_scalar(r));
	if (pick(r, 3) == 0)
		doc_set(r->a, spec, "v", random_map(r));
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (pick(r, 2))
			doc_set(r->a, spec, fields[i], random_items(r, fields[i], 1));
	if (pick(r, 3) == 0)
		doc_set(r->a, spec, "rules", random_words(r));
	return d;
}

static void say(unsigned seed, const char *what, const struct doc *d)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;

	doc_write_yaml(d, &out);
	printf("seed %u %s:\n%s\n", seed, what, strbuf_cstr(&out));
}

/* A two-way diff: what is there is what was applied. */
static void two_way(struct diff_object *o, struct arena *a, const struct doc *from,
		    const struct doc *to)
{
	diff_object_make(o, a, from, from, to, false, NULL);
}

/* Pending changes only: a field may be as wanted in another spelling. */
static bool differs(struct arena *a, const struct doc *from, const struct doc *to)
{
	struct diff_object o;

	two_way(&o, a, from, to);
	return diff_object_pending(&o);
}

static void check_two_way(unsigned seed, bool custom)
{
	struct arena arena = ARENA_INIT;
	struct random r = {&arena, seed};
	struct doc *x = random_object(&r, custom), *y = random_object(&r, custom), *after, *back;
	struct diff_object o;

	if (differs(&arena, x, x)) {
		say(seed, "differs from itself", x);
		fail_msg("seed %u", seed);
	}
	two_way(&o, &arena, x, y);
	after = diff_apply(&arena, &o);
	if (differs(&arena, after, y) || differs(&arena, y, after)) {
		say(seed, "from", x);
		say(seed, "to", y);
		say(seed, "applied", after);
		fail_msg("seed %u", seed);
	}
	if (!doc_equal(diff_apply_to(&arena, &o, x, y), after)) {
		say(seed, "applied to a copy", diff_apply_to(&arena, &o, x, y));
		fail_msg("seed %u", seed);
	}
	back = diff_undo(&arena, &o, after, x);
	if (!doc_equal(back, diff_view(&arena, x))) {
		say(seed, "from", x);
		say(seed, "to", y);
		say(seed, "taken back", back);
		fail_msg("seed %u", seed);
	}
	/* A custom resource keeps zeroes: here the trees themselves must be the same. */
	if (custom && !differs(&arena, x, y) != !o.n)
		fail_msg("seed %u", seed);
	arena_release(&arena);
}

TEST(a_diff_applied_gives_the_other)
{
	const char *one = getenv("SEED");

	for (unsigned seed = 0; seed < SEEDS; seed++) {
		unsigned s = one ? (unsigned)atoi(one) : seed;

		check_two_way(s, s % 2);
	}
}

/* Without lists, quantities and zeroes the rules are short enough to say them again. */
static struct doc *merge(struct arena *a, struct doc *applied, struct doc *live,
			 struct doc *desired)
{
	struct doc *out = doc_map(a);

	doc_foreach_entry (live, e)
		if (doc_get(desired, e->key) || !doc_get(applied, e->key))
			doc_set(a, out, e->key, e->value);
	doc_foreach_entry (desired, e) {
		struct doc *l = doc_get(live, e->key), *b = doc_get(applied, e->key);
		const bool maps = l && l->kind == DOC_MAP && e->value->kind == DOC_MAP;

		doc_set(a, out, e->key, maps ? merge(a, b, l, e->value) : e->value);
	}
	return out;
}

static struct doc *random_tree(struct random *r, int depth)
{
	struct doc *d = doc_map(r->a);

	for (int i = pick(r, 4); i > 0; i--) {
		const char *key = (const char *[]){"k", "l", "m", "n"}[pick(r, 4)];

		doc_set(r->a, d, key,
			depth && pick(r, 2) ? random_tree(r, depth - 1) : random_scalar(r));
	}
	return d;
}

static struct doc *random_thing(struct random *r)
{
	struct doc *d = doc_map(r->a);

	doc_set_string(r->a, d, "apiVersion", "example.org/v1");
	doc_set_string(r->a, d, "kind", "Thing");
	doc_set_string(r->a, doc_set_map(r->a, d, "metadata"), "name", "x");
	doc_set(r->a, d, "spec", random_tree(r, 3));
	return d;
}

static void check_three_way(unsigned seed)
{
	struct arena a = ARENA_INIT;
	struct random r = {&a, seed};
	struct doc *b = random_thing(&r), *l = random_thing(&r), *d = random_thing(&r), *after;
	struct doc *want = merge(&a, doc_get(b, "spec"), doc_get(l, "spec"), doc_get(d, "spec"));
	struct diff_object o;

	diff_object_make(&o, &a, b, l, d, false, NULL);
	after = diff_apply(&a, &o);
	/* An apply that had to leave something alone is no law's business here: nobody owns. */
	if (!doc_equal(doc_get(after, "spec"), want)) {
		say(seed, "applied before", b);
		say(seed, "live", l);
		say(seed, "desired", d);
		say(seed, "got", after);
		say(seed, "want", want);
		fail_msg("seed %u", seed);
	}
	for (size_t i = 0; i < o.n; i++)
		assert_int_not_equal(o.changes[i].class, DIFF_ADOPT);
	diff_object_make(&o, &a, d, after, d, false, NULL);
	if (o.n)
		fail_msg("seed %u: not empty once applied", seed);
	arena_release(&a);
}

TEST(a_three_way_apply_is_the_merge)
{
	const char *one = getenv("SEED");

	for (unsigned seed = 0; seed < SEEDS; seed++)
		check_three_way(one ? (unsigned)atoi(one) : seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_diff_applied_gives_the_other),
		cmocka_unit_test(a_three_way_apply_is_the_merge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

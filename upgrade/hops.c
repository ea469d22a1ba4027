/* SPDX-License-Identifier: Apache-2.0 */
#include "upgrade/hops.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"

/* X(version, conntrack layout): what is known without a file. */
#define BUILT_WITH(X)                                                                              \
	X("0.1.0", 1)                                                                              \
	X("0.2.0", 1)                                                                              \
	X(SIDESTEP_VERSION, 2)
#define IMAGE "sidestep.dev/sidestepd:"

/* --- versions --- */

static int number(struct arena *a, const char **at, char end, uint32_t *ret, struct error *err)
{
	size_t n = strspn(*at, "0123456789");
	uint64_t value;
	int r = str_to_u64(arena_strndup(a, *at, n), 0, UINT32_MAX, &value, "a part of a version",
			   err);

	if (r)
		return r;
	if (end && (*at)[n] != end)
		return error_set(err, -EINVAL, "want three numbers");
	*ret = (uint32_t)value;
	*at += n + (end != '\0');
	return 0;
}

int version_parse(struct arena *a, const char *text, struct version *ret, struct error *err)
{
	const char *at = str_or_empty(text);
	struct version v = {0};
	struct error why = ERROR_INIT;
	int r;

	at += *at == 'v';
	v.text = arena_strndup(a, at, strcspn(at, "+"));
	at = v.text;
	r = number(a, &at, '.', &v.major, &why);
	if (!r)
		r = number(a, &at, '.', &v.minor, &why);
	if (!r)
		r = number(a, &at, '\0', &v.patch, &why);
	if (!r && *at == '-' && at[1])
		v.pre = at + 1;
	else if (!r && *at)
		r = -EINVAL;
	if (r)
		return error_set(err, -EINVAL, "'%s' is no version like 0.3.0 or 0.3.0-rc.1",
				 str_or_empty(text));
	*ret = v;
	return 0;
}

static int cmp_u32(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

/* One identifier of a pre-release: numbers by value, and before words. */
static int cmp_identifier(const char *a, size_t na, const char *b, size_t nb)
{
	bool numeric_a = strspn(a, "0123456789") >= na, numeric_b = strspn(b, "0123456789") >= nb;
	int c;

	if (numeric_a != numeric_b)
		return numeric_a ? -1 : 1;
	if (numeric_a && na != nb)
		return na < nb ? -1 : 1;
	c = memcmp(a, b, na < nb ? na : nb);
	return c ? c : na < nb ? -1 : na > nb;
}

static int cmp_pre(const char *a, const char *b)
{
	if (!a || !b)
		return (a ? 0 : 1) - (b ? 0 : 1);
	for (;;) {
		size_t na = strcspn(a, "."), nb = strcspn(b, ".");
		int c = cmp_identifier(a, na, b, nb);

		if (c || !a[na] || !b[nb])
			return c ? c : (a[na] != '\0') - (b[nb] != '\0');
		a += na + 1;
		b += nb + 1;
	}
}

int version_cmp(const struct version *a, const struct version *b)
{
	int c = cmp_u32(a->major, b->major);

	c = c ? c : cmp_u32(a->minor, b->minor);
	c = c ? c : cmp_u32(a->patch, b->patch);
	return c ? c : cmp_pre(a->pre, b->pre);
}

/* --- releases --- */

static int by_version(const void *x, const void *y)
{
	const struct release *a = x, *b = y;

	return version_cmp(&a->version, &b->version);
}

static int in_order(struct releases *r, struct error *err)
{
	if (r->n)
		qsort(r->items, r->n, sizeof(*r->items), by_version);
	for (size_t i = 1; i < r->n; i++)
		if (!by_version(&r->items[i - 1], &r->items[i]))
			return error_set(err, -EINVAL, "release %s stands there twice",
					 r->items[i].version.text);
	return r->n ? 0 : error_set(err, -EINVAL, "there is no release in it");
}

static int take(struct arena *a, const struct doc *d, struct release *out, struct error *err)
{
	const char *version = doc_find_str(d, "version");
	int r = version_parse(a, version, &out->version, err);

	if (r)
		return error_wrap(err, r, "%s", doc_where(a, d));
	out->image = doc_find_str(d, "image") ? arena_strdup(a, doc_find_str(d, "image"))
					      : arena_printf(a, IMAGE "%s", out->version.text);
	out->conntrack_layout = doc_find_int(d, "conntrackLayout", 0);
	if (doc_len(doc_get(d, "blocksDowngrade")))
		out->blocks_downgrade = doc_clone(a, doc_get(d, "blocksDowngrade"));
	out->tells_no_health = !doc_bool_or(doc_get(d, "health"), true);
	return 0;
}

int releases_decode(struct arena *a, const struct doc *d, struct releases *ret, struct error *err)
{
	const struct doc *list = doc_get(d, "releases") ? doc_get(d, "releases") : d;
	struct releases out = {.items = arena_array(a, doc_len(list) + 1, struct release)};
	int r = 0;

	if (!list || list->kind != DOC_LIST)
		return error_set(err, -EINVAL,
				 "%s: want a list of releases, or one under 'releases'",
				 doc_where(a, list));
	if (doc_len(list) > RELEASES_MAX)
		return error_set(err, -E2BIG, "more than %u releases", RELEASES_MAX);
	doc_foreach_item (list, item) {
		if (!r)
			r = take(a, item, &out.items[out.n++], err);
	}
	if (!r)
		r = in_order(&out, err);
	if (!r)
		*ret = out;
	return r;
}

static const struct {
	const char *version;
	int64_t layout;
} built[] = {
#define BUILT_ROW(version, layout) {version, layout},
	BUILT_WITH(BUILT_ROW)
#undef BUILT_ROW
};

int64_t releases_built_layout(const char *version)
{
	for (size_t i = 0; i < ARRAY_SIZE(built); i++)
		if (str_eq(built[i].version, version))
			return built[i].layout;
	return 0;
}

static int built_with(struct arena *a, struct releases *ret, struct error *err)
{
	struct doc *list = doc_list(a);
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(built); i++) {
		struct doc *d = doc_append(a, list, doc_map(a));

		doc_set_string(a, d, "version", built[i].version);
		doc_set_int(a, d, "conntrackLayout", built[i].layout);
		doc_set_bool(a, d, "health", str_eq(built[i].version, SIDESTEP_VERSION));
	}
	r = releases_decode(a, list, ret, err);
	ret->source = "those this sidestep-upgrade was built with";
	return r;
}

int releases_read(struct arena *a, const char *path, struct releases *ret, struct error *err)
{
	struct doc_stream s;
	int r;

	if (!path)
		return built_with(a, ret, err);
	r = doc_read_file(a, path, &s, err);
	if (r)
		return r;
	if (s.n != 1)
		return error_set(err, -EINVAL, "%s: want one document", path);
	r = releases_decode(a, s.docs[0], ret, err);
	if (r)
		return error_wrap(err, r, "%s", path);
	ret->source = arena_strdup(a, path);
	return 0;
}

void releases_help(FILE *out)
{
	fputs("The file that `--releases FILE` of plan and run reads: the releases that are known. "
	      "A list, or a map\nwhose member 'releases' is one; YAML or JSON. Of each:\n\n"
	      "  version          like 0.3.0 or 0.3.1-rc.1\n"
	      "  image            of the agent (else sidestep.dev/sidestepd:VERSION)\n"
	      "  conntrackLayout  number of the layout of its map of connections; without it "
	      "nobody can say\n                   what becomes of them\n"
	      "  health           false: its agents publish no health, so gates do not ask for it\n"
	      "  blocksDowngrade  sentences: what of it, once in use, forbids the way back\n\n"
	      "Other members are for other readers.\n\n"
	      "Example (releases.yaml):\n\n"
	      "    releases:\n"
	      "    - version: 0.2.0\n"
	      "      conntrackLayout: 1\n"
	      "    - version: 0.3.0\n"
	      "      conntrackLayout: 2\n\n"
	      "  sidestep upgrade plan --to 0.3.0 --releases releases.yaml\n",
	      out);
}

const struct release *releases_find(const struct releases *r, const char *version)
{
	version += version && *version == 'v';
	for (size_t i = 0; i < r->n; i++)
		if (str_eq(r->items[i].version.text, version))
			return &r->items[i];
	return NULL;
}

const struct release *releases_of_image(const struct releases *r, const char *image)
{
	for (size_t i = 0; i < r->n; i++)
		if (str_eq(r->items[i].image, image))
			return &r->items[i];
	return NULL;
}

/* --- hops --- */

static bool same_minor(const struct version *a, const struct version *b)
{
	return a->major == b->major && a->minor == b->minor;
}

/* Of its minor; pre-releases count only while there is no release. */
static bool is_latest(const struct releases *r, const struct version *v)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct version *other = &r->items[i].version;

		if (same_minor(v, other) && !other->pre && version_cmp(v, other) < 0)
			return false;
	}
	return true;
}

enum hop hop_between(const struct releases *r, const struct release *from, const struct release *to,
		     bool allow_prerelease)
{
	const struct version *f = &from->version, *t = &to->version;

	if (!version_cmp(f, t))
		return HOP_NONE;
	if (f->major != t->major || f->minor > t->minor + 1 || t->minor > f->minor + 1)
		return HOP_SKIPS;
	if (t->pre && !allow_prerelease)
		return HOP_PRE_RELEASE;
	if (same_minor(f, t))
		return HOP_PATCH;
	if (!is_latest(r, t->minor > f->minor ? f : t))
		return HOP_NOT_LATEST;
	return t->minor > f->minor ? HOP_UP : HOP_DOWN;
}

/* Breadth first over positions; came[i] is where i was reached from. */
static bool search(struct arena *a, const struct releases *r, size_t from, size_t to,
		   bool allow_prerelease, size_t *came)
{
	size_t *queue = arena_array(a, r->n, size_t), head = 0, tail = 0;

	for (size_t i = 0; i < r->n; i++)
		came[i] = r->n;
	came[from] = from;
	queue[tail++] = from;
	while (head < tail && came[to] == r->n) {
		size_t at = queue[head++];

		for (size_t i = 0; i < r->n; i++) {
			/* A pre-release is a place to go to, not one to pass through. */
			if (came[i] != r->n || (r->items[i].version.pre && i != to))
				continue;
			if (!hop_is_legal(
				    hop_between(r, &r->items[at], &r->items[i], allow_prerelease)))
				continue;
			came[i] = at;
			queue[tail++] = i;
		}
	}
	return came[to] != r->n;
}

int hops_path(struct arena *a, const struct releases *r, const struct release *from,
	      const struct release *to, bool allow_prerelease, const struct release ***ret_stops,
	      size_t *ret_n, struct error *err)
{
	size_t first = (size_t)(from - r->items), last = (size_t)(to - r->items);
	size_t *came = arena_array(a, r->n, size_t), n = 0;
	const struct release **stops;

	if (!search(a, r, first, last, allow_prerelease, came))
		return error_set(err, -ENOENT, "no legal hops lead from %s to %s",
				 from->version.text, to->version.text);
	for (size_t at = last; at != first; at = came[at])
		n++;
	stops = arena_array(a, n + 1, const struct release *);
	*ret_n = n;
	for (size_t at = last; at != first; at = came[at])
		stops[--n] = &r->items[at];
	*ret_stops = stops;
	return 0;
}

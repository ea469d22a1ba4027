/* SPDX-License-Identifier: Apache-2.0 */
#include "upgrade/profile.h"

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/cli/cli.h"

static const struct {
	const char *key;
	size_t offset;
	uint64_t seconds;
	const char *what;
} durations[] = {
#define PROFILE_ROW(member, key, seconds, what)                                                    \
	{key, offsetof(struct profile, member), seconds, what},
	PROFILE_DURATIONS(PROFILE_ROW)
#undef PROFILE_ROW
};
static const int64_t usual_waves[] = {10, 25, 50, 100};

static uint64_t *duration(struct profile *p, size_t i)
{
	return (uint64_t *)(void *)((char *)p + durations[i].offset);
}

static uint64_t duration_of(const struct profile *p, size_t i)
{
	return *(const uint64_t *)(const void *)((const char *)p + durations[i].offset);
}

void profile_init(struct profile *p)
{
	*p = (struct profile){.name = "defaults", .n_waves = ARRAY_SIZE(usual_waves)};
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++)
		*duration(p, i) = durations[i].seconds * NS_PER_S;
	for (size_t i = 0; i < ARRAY_SIZE(usual_waves); i++)
		p->waves[i] = usual_waves[i];
}

static int take_waves(struct arena *a, const struct doc *list, struct profile *p, struct error *err)
{
	int64_t last = 0;

	p->n_waves = 0;
	doc_foreach_item (list, d) {
		int64_t percent = doc_int_or(d, -1);

		if (percent <= last || percent > 100 || p->n_waves == PROFILE_MAX_WAVES)
			return error_set(err, -EINVAL,
					 "%s: waves: want at most %d rising numbers, the last 100",
					 doc_where(a, d), PROFILE_MAX_WAVES);
		p->waves[p->n_waves++] = last = percent;
	}
	return last == 100 ? 0
			   : error_set(err, -EINVAL, "%s: waves: the last must be 100",
				       doc_where(a, list));
}

static int take_duration(struct arena *a, const struct doc_entry *e, struct profile *p, size_t i,
			 struct error *err)
{
	int r;

	if (!doc_str(e->value))
		return error_set(err, -EINVAL, "%s: %s: want a duration like \"90s\"",
				 doc_where(a, e->value), e->key);
	r = str_to_duration_ns(doc_str(e->value), duration(p, i), err);
	return r ? error_wrap(err, r, "%s: %s", doc_where(a, e->value), e->key) : 0;
}

static int take(struct arena *a, const struct doc_entry *e, struct profile *p, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++)
		if (str_eq(durations[i].key, e->key))
			return take_duration(a, e, p, i, err);
	if (str_eq(e->key, "waves"))
		return take_waves(a, e->value, p, err);
	if (str_eq(e->key, "waivers"))
		return waivers_decode(a, e->value, &p->waivers, err);
	if (str_eq(e->key, "name")) {
		p->name = arena_strdup(a, str_or_empty(doc_str(e->value)));
		return 0;
	}
	return error_set(err, -EINVAL, "%s: a profile has no member '%s'", doc_where(a, e->value),
			 e->key);
}

int profile_decode(struct arena *a, const struct doc *d, struct profile *p, struct error *err)
{
	profile_init(p);
	if (d && d->kind != DOC_MAP && d->kind != DOC_NULL)
		return error_set(err, -EINVAL, "%s: want a map of members", doc_where(a, d));
	doc_foreach_entry (d, e) {
		int r = take(a, e, p, err);

		if (r)
			return r;
	}
	/* A plan keeps milliseconds. */
	if (p->sample_every_ns < NS_PER_MS)
		return error_set(err, -EINVAL, "sampleEvery must be longer than 0: 1ms or more");
	return 0;
}

int profile_read(struct arena *a, const char *path, struct profile *p, struct error *err)
{
	struct doc_stream s;
	int r;

	profile_init(p);
	if (!path)
		return 0;
	r = doc_read_file(a, path, &s, err);
	if (r)
		return r;
	if (s.n != 1)
		return error_set(err, -EINVAL, "%s: want one document", path);
	r = profile_decode(a, s.docs[0], p, err);
	if (!r && str_eq(p->name, "defaults"))
		p->name = arena_strdup(a, path);
	return r;
}

struct doc *profile_doc(struct arena *a, const struct profile *p)
{
	struct doc *d = doc_map(a), *list;

	doc_set_string(a, d, "name", p->name);
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++)
		doc_setf(a, d, durations[i].key, "%llums",
			 (unsigned long long)(duration_of(p, i) / NS_PER_MS));
	list = doc_set_list(a, d, "waves");
	for (size_t i = 0; i < p->n_waves; i++)
		doc_append(a, list, doc_int(a, p->waves[i]));
	list = doc_set_list(a, d, "waivers");
	for (size_t i = 0; i < p->waivers.n; i++)
		doc_append(a, list, waiver_doc(a, &p->waivers.items[i]));
	return d;
}

struct doc *profile_shortened(struct arena *a, const struct profile *p)
{
	struct doc *list = doc_list(a);

	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		auto_release(strbuf) struct strbuf now = STRBUF_INIT;
		auto_release(strbuf) struct strbuf usual = STRBUF_INIT;
		uint64_t ns = duration_of(p, i);

		if (ns >= durations[i].seconds * NS_PER_S)
			continue;
		cli_duration_text(ns, &now);
		cli_duration_text(durations[i].seconds * NS_PER_S, &usual);
		doc_append(a, list,
			   doc_stringf(a, "%s %s instead of %s", durations[i].key,
				       strbuf_cstr(&now), strbuf_cstr(&usual)));
	}
	return list;
}

static const char about[] =
	"The file that `--profile FILE` of plan and run reads: how patient an upgrade is, and what "
	"somebody\naccepts. It is YAML (or JSON), a map with any of these members; what is left "
	"out has its default.\nNo other member is allowed.\n\n"
	"Durations are written like 30s, 5m, 24h or 1h30m:\n\n";
static const char about_more[] =
	"\n"
	"  name         string  what plans and reports call it (else the file's path)\n"
	"  waves        list    per cent of the nodes behind the canary after each wave, rising to "
	"100\n"
	"               (else 10, 25, 50, 100)\n"
	"  waivers      list    findings of `plan` that somebody accepts; each has\n"
	"    id         the finding's id, as `plan` prints it\n"
	"    scope      only this object, as `plan` prints it (optional; else every one)\n"
	"    reason     why it is acceptable\n"
	"    owner      who answers for it\n"
	"    expires    until when: a day (its end, UTC) or a time like 2027-01-31T12:00:00Z\n"
	"\n"
	"An expired waiver covers nothing: plan and run end with 6. What is shorter than its "
	"default, and\nwhat is accepted, stands at the top of every plan.\n"
	"  staging-proof  no report of the same hop, done elsewhere, was given with --staging\n"
	"\n"
	"Example (rehearsal.yaml):\n"
	"\n"
	"    name: rehearsal\n"
	"    canarySoak: 5m\n"
	"    soak: 1h\n"
	"    waves: [50, 100]\n"
	"    waivers:\n"
	"    - id: staging-proof\n"
	"      reason: this is the staging cluster\n"
	"      owner: platform-team@example.org\n"
	"      expires: \"2030-06-30\"\n"
	"\n"
	"  sidestep upgrade plan --to 0.3.0 --profile rehearsal.yaml\n";

void profile_help(FILE *out)
{
	fputs(about, out);
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

		cli_duration_text(durations[i].seconds * NS_PER_S, &sb);
		fprintf(out, "  %-12s %-5s %s\n", durations[i].key, strbuf_cstr(&sb),
			durations[i].what);
	}
	fputs(about_more, out);
}

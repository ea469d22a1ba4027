/* SPDX-License-Identifier: Apache-2.0 */
#include "migrate/profile.h"

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/cli/cli.h"
#include "migrate/translate.h"

#define PROBE_IMAGE "sidestep.dev/sidestep:" SIDESTEP_VERSION

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

static uint64_t *duration(struct profile *p, size_t i)
{
	return (uint64_t *)(void *)((char *)p + durations[i].offset);
}

void profile_init(struct profile *p)
{
	*p = (struct profile){.name = "defaults", .probe_image = PROBE_IMAGE};
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++)
		*duration(p, i) = durations[i].seconds * NS_PER_S;
}

static int take(struct arena *a, const struct doc_entry *e, struct profile *p, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		int r;

		if (!str_eq(durations[i].key, e->key))
			continue;
		if (!doc_str(e->value))
			return error_set(err, -EINVAL, "%s: %s: want a duration like \"90s\"",
					 doc_where(a, e->value), e->key);
		r = str_to_duration_ns(doc_str(e->value), duration(p, i), err);
		return r ? error_wrap(err, r, "%s: %s", doc_where(a, e->value), e->key) : 0;
	}
	if (str_eq(e->key, "waivers"))
		return waivers_decode(a, e->value, &p->waivers, err);
	if (str_eq(e->key, "probeImage")) {
		if (str_empty(doc_str(e->value)))
			return error_set(err, -EINVAL, "%s: %s: want the name of an image",
					 doc_where(a, e->value), e->key);
		p->probe_image = arena_strdup(a, doc_str(e->value));
		return 0;
	}
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
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		const uint64_t *ns = (const void *)((const char *)p + durations[i].offset);

		doc_setf(a, d, durations[i].key, "%llums", (unsigned long long)(*ns / NS_PER_MS));
	}
	doc_set_string(a, d, "probeImage", p->probe_image);
	list = doc_set_list(a, d, "waivers");
	for (size_t i = 0; i < p->waivers.n; i++)
		doc_append(a, list, waiver_doc(a, &p->waivers.items[i]));
	return d;
}

static const char about[] =
	"The file that `--profile FILE` of plan and run reads: how patient a migration is, and "
	"what "
	"somebody\naccepts. It is YAML (or JSON), a map with any of these members; what is left "
	"out has its default.\nNo other member is allowed.\n\n"
	"Durations are written like 30s, 5m, 24h or 1h30m:\n\n";
static const char waivers_about[] =
	"\n"
	"  name         string  what reports call it (else the file's path)\n"
	"  probeImage   string  image of the probe pods, with sidestep-migrate in its PATH\n"
	"               (else " PROBE_IMAGE ")\n"
	"  waivers      list    findings of `plan` that somebody accepts; each has\n"
	"    id         the finding's id, as `plan` prints it\n"
	"    scope      only this object, as `plan` prints it (optional; else every one)\n"
	"    reason     why it is acceptable\n"
	"    owner      who answers for it\n"
	"    expires    until when: a day (its end, UTC) or a time like 2027-01-31T12:00:00Z\n"
	"\n"
	"An expired waiver covers nothing: plan and run end with 6. Nearly every migration needs, "
	"today:\n"
	"  " WAIVER_ENCRYPTION_LOST "      once moved, calls cross the wire unencrypted\n"
	"  " WAIVER_IDENTITY_BY_ADDRESS "  once moved, a caller is known by its address, not by a "
	"certificate\n";
static const char example[] = "\n"
			      "Example (my-team.yaml):\n"
			      "\n"
			      "    name: my team, a quiet week\n"
			      "    auditWindow: 12h\n"
			      "    settle: 2m\n"
			      "    soak: 24h\n"
			      "    waivers:\n"
			      "    - id: encryption-lost\n"
			      "      reason: the nodes' network is ours and encrypted below\n"
			      "      owner: platform-team@example.org\n"
			      "      expires: \"2030-06-30\"\n"
			      "    - id: identity-by-address\n"
			      "      reason: nobody else can send from addresses of pods here\n"
			      "      owner: platform-team@example.org\n"
			      "      expires: \"2030-06-30\"\n"
			      "\n"
			      "  sidestep migrate plan my-team --profile my-team.yaml\n";

void profile_help(FILE *out)
{
	fputs(about, out);
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

		cli_duration_text(durations[i].seconds * NS_PER_S, &sb);
		fprintf(out, "  %-12s %-5s %s\n", durations[i].key, strbuf_cstr(&sb),
			durations[i].what);
	}
	fputs(waivers_about, out);
	fputs(example, out);
}

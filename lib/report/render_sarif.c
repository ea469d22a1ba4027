/* SPDX-License-Identifier: Apache-2.0 */
/* SARIF 2.1.0: rules are the checks, results are what did not pass. */
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "lib/report/render.h"

static const char *level(const struct finding *f)
{
	switch (f->severity) {
	case SEVERITY_BLOCKER:
	case SEVERITY_ERROR:
		return "error";
	case SEVERITY_WARNING:
		return "warning";
	case SEVERITY_INFO:
		break;
	}
	return "note";
}

static struct doc *text_doc(struct arena *a, const char *text)
{
	struct doc *d = doc_map(a);

	doc_set_string(a, d, "text", text);
	return d;
}

static struct doc *rule_doc(struct arena *a, const struct finding *f)
{
	struct doc *d = doc_map(a), *help;

	doc_set_string(a, d, "id", f->id);
	doc_set(a, d, "shortDescription", text_doc(a, f->title));
	if (f->remedy) {
		help = doc_set(a, d, "help", text_doc(a, f->remedy));
		doc_setf(a, help, "markdown", "**Remedy:** %s", f->remedy);
	}
	doc_set_string(a, doc_set_map(a, d, "defaultConfiguration"), "level", level(f));
	if (f->source)
		doc_set_string(a, doc_set_map(a, d, "properties"), "source", f->source);
	return d;
}

static struct doc *location_doc(struct arena *a, const struct finding *f)
{
	struct doc *d = doc_map(a), *logical = doc_map(a);

	doc_set_string(a, logical, "fullyQualifiedName", f->scope[0] ? f->scope : "machine");
	doc_append(a, doc_set_list(a, d, "logicalLocations"), logical);
	return d;
}

static struct doc *suppression_doc(struct arena *a, const struct waiver *w)
{
	struct doc *d = doc_map(a);

	doc_set_string(a, d, "kind", "external");
	doc_setf(a, d, "justification", "%s (%s, until %s)", w->reason, w->owner, w->expires);
	return d;
}

static struct doc *result_doc(struct arena *a, const struct report *r, const struct finding *f)
{
	struct doc *d = doc_map(a);

	doc_set_string(a, d, "ruleId", f->id);
	doc_set_string(a, d, "kind", f->result == FINDING_UNKNOWN ? "open" : "fail");
	doc_set_string(a, d, "level", f->result == FINDING_UNKNOWN ? "none" : level(f));
	doc_set(a, d, "message", text_doc(a, f->message));
	doc_append(a, doc_set_list(a, d, "locations"), location_doc(a, f));
	if (f->waiver && !waiver_expired(f->waiver, r->made_ns))
		doc_append(a, doc_set_list(a, d, "suppressions"), suppression_doc(a, f->waiver));
	doc_setf(a, doc_set_map(a, d, "partialFingerprints"), "checkAndScope/v1", "%s@%s", f->id,
		 f->scope);
	return d;
}

/* One rule per id; the finding with a remedy describes it best. */
static void add_rules(struct arena *a, struct doc *rules, const struct report *r)
{
	struct map by_id = MAP_INIT;

	for (size_t i = 0; i < r->n; i++) {
		struct finding *f = &r->findings[i];
		const struct finding *known = map_get(&by_id, f->id);

		if (!known || (!known->remedy && f->remedy))
			map_set(&by_id, f->id, f);
	}
	map_foreach (&by_id, e)
		doc_append(a, rules, rule_doc(a, map_value(e)));
	map_release(&by_id);
}

void render_sarif(const struct report *r, struct strbuf *out)
{
	auto_release(arena) struct arena arena = ARENA_INIT;
	struct arena *a = &arena;
	struct doc *root = doc_map(a), *run = doc_map(a), *driver, *results;

	doc_set_string(a, root, "$schema", "https://json.schemastore.org/sarif-2.1.0.json");
	doc_set_string(a, root, "version", "2.1.0");
	doc_append(a, doc_set_list(a, root, "runs"), run);
	driver = doc_set_map(a, doc_set_map(a, run, "tool"), "driver");
	doc_set_string(a, driver, "name", r->tool);
	doc_set_string(a, driver, "version", SIDESTEP_VERSION);
	add_rules(a, doc_set_list(a, driver, "rules"), r);
	results = doc_set_list(a, run, "results");
	for (size_t i = 0; i < r->n; i++)
		if (r->findings[i].result == FINDING_FAIL ||
		    r->findings[i].result == FINDING_UNKNOWN)
			doc_append(a, results, result_doc(a, r, &r->findings[i]));
	doc_write_json(root, DOC_PRETTY, out);
	strbuf_addc(out, '\n');
}

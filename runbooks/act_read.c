/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of others: sources, objects, addresses, programs. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/http/client.h"
#include "runbooks/command.h"
#include "runbooks/run_internal.h"

#define SHORT_PATIENCE_NS (2 * NS_PER_S)
#define FIVE_MINUTES_NS   (300 * NS_PER_S)

void act_cannot(struct done *d, const char *why)
{
	d->status = STATUS_INCONCLUSIVE;
	d->answer = NULL;
	d->why = why;
}

void act_failed(struct done *d, struct arena *a, const struct error *err)
{
	act_cannot(d, arena_strdup(a, err->msg));
}

static void answered(struct done *d, struct doc *answer)
{
	d->status = STATUS_OK;
	d->answer = answer;
}

/* --- sources -----------------------------------------------------------------------------------
 */

static void read_query(const struct scope *s, const struct runbook_step *step,
		       const struct doc *data, struct arena *a, struct done *d)
{
	const bool flows = step->kind == STEP_FLOWS;
	const struct step_query *q = flows ? step->flows : step->query;
	const char *why = NULL, *since = NULL;
	struct doc *filter = fill_in(a, q->filter, data, &why), *answer = NULL;
	struct source_question ask = {.source = flows ? "flows" : q->source,
				      .filter = filter,
				      .limit = q->limit.set ? q->limit.value : 1000,
				      .timeout_ns = duration_ns(step->timeout, 30 * NS_PER_S)};
	struct error err = ERROR_INIT;
	int r;

	d->source = arena_printf(a, "source %s", ask.source);
	if (q->since)
		since = walk_text(a, q->since, data, &why);
	if (!filter || (q->since && !since)) {
		act_cannot(d, arena_printf(a, "it cannot be asked: %s", str_or_empty(why)));
		return;
	}
	ask.since_ns = duration_ns(since, 0);
	/* Read past, it would be a question about all there ever was. */
	if (since && !ask.since_ns) {
		act_cannot(d, arena_printf(a, "since: \"%.60s\" is no duration like 15m", since));
		return;
	}
	r = source_ask(&s->r->sources, &ask, a, &answer, &err);
	if (r)
		act_failed(d, a, &err);
	else
		answered(d, answer);
}

/* --- objects -----------------------------------------------------------------------------------
 */

/* "apps/v1 DaemonSet ns/name" in words; false when it is anything else. */
static bool split_ref(struct arena *a, const char *ref, const char **version, const char **kind,
		      const char **ns, const char **name)
{
	char *copy = arena_strdup(a, ref), *at = copy, *slash;
	const char *words[3] = {NULL};
	size_t n = 0;

	for (char *word; (word = strsep(&at, " ")) != NULL;) {
		if (!*word || n == ARRAY_SIZE(words))
			return false;
		words[n++] = word;
	}
	*version = words[0];
	*kind = words[1];
	*ns = NULL;
	*name = words[2];
	slash = words[2] ? strchr(copy + (words[2] - copy), '/') : NULL;
	if (slash) {
		*slash = '\0';
		*ns = words[2];
		*name = slash + 1;
	}
	return n >= 2;
}

int ref_doc(struct arena *a, const char *text, bool write, struct doc **ret_ref,
	    const struct object_kind **ret_kind, struct error *err)
{
	const char *why = known_ref_refused(text, write), *version, *kind, *ns, *name;
	struct doc *ref = doc_map(a);

	if (why)
		return error_set(err, -EPERM, "%.120s: %s", text, why);
	if (!split_ref(a, text, &version, &kind, &ns, &name) || (ns && !known_name(ns)) ||
	    (name && !known_name(name)))
		return error_set(err, -EINVAL,
				 "%.120s names no object: want version, kind and [namespace/]name",
				 text);
	*ret_kind = object_kind_find(version, kind);
	if (!*ret_kind)
		return error_set(err, -ENOENT, "%s %s is no kind that is known here", version,
				 kind);
	if ((*ret_kind)->namespaced && name && !ns)
		return error_set(err, -EINVAL, "%.120s: it stands in a namespace: want ns/name",
				 text);
	doc_set_string(a, ref, "apiVersion", version);
	doc_set_string(a, ref, "kind", kind);
	doc_set_string(a, ref, "namespace", (*ret_kind)->namespaced ? ns : NULL);
	doc_set_string(a, ref, "name", name);
	*ret_ref = ref;
	return 0;
}

/* What only servers write says nothing to people. */
static struct doc *trimmed(struct arena *a, const struct doc *object)
{
	struct doc *d = doc_clone(a, object);

	doc_del(doc_get(d, "metadata"), "managedFields");
	return d;
}

static int get_object(const struct scope *s, const char *text, struct arena *a, struct doc **ret,
		      struct error *err)
{
	const struct object_kind *kind;
	struct doc *ref, *live = NULL;
	int r = ref_doc(a, text, false, &ref, &kind, err);

	if (!r && !doc_get(ref, "name"))
		return error_set(err, -EINVAL, "%.120s: want a name", text);
	if (!r)
		r = cluster_get(&s->r->cluster, a, kind, doc_find_str(ref, "namespace"),
				doc_find_str(ref, "name"), &live, err);
	if (r)
		return r;
	*ret = doc_map(a);
	doc_set_bool(a, *ret, "found", live != NULL);
	if (live)
		doc_set(a, *ret, "object", trimmed(a, live));
	return 0;
}

#define LIST_PAGE      500u
#define LIST_MAX_PAGES 40

/* Of one page as much as there is room for; how many it has. */
static int64_t take_page(struct arena *a, const struct doc *page, size_t most, struct doc *rows)
{
	doc_foreach_item (doc_get(page, "items"), it) {
		if (doc_len(rows) < most)
			doc_append(a, rows, trimmed(a, it));
	}
	return (int64_t)doc_len(doc_get(page, "items"));
}

/* As many rows as are asked for; all are counted. */
static int page_through(const struct scope *s, struct kube_request *q, size_t most, struct arena *a,
			struct doc **ret, struct error *err)
{
	struct doc *rows;
	int64_t count = 0;

	*ret = doc_map(a);
	rows = doc_set_list(a, *ret, "rows");
	for (int i = 0; i < LIST_MAX_PAGES; i++) {
		auto_release(arena) struct arena scratch = ARENA_INIT;
		struct doc *page = NULL;
		int r = cluster_do(&s->r->cluster, q, &scratch, &page, err);

		if (r)
			return r;
		count += take_page(a, page, most, rows);
		q->continue_ = arena_strdup(a, doc_find_str(page, "metadata.continue"));
		if (str_empty(q->continue_))
			break;
	}
	if ((size_t)count > doc_len(rows))
		doc_set_bool(a, *ret, "more", true);
	if (str_empty(q->continue_))
		doc_set_int(a, *ret, "count", count);
	else
		doc_set_string(a, doc_set_map(a, *ret, "unseen"), "count",
			       arena_printf(a, "there are more than %" PRId64, count));
	return 0;
}

static int list_objects(const struct scope *s, const struct step_k8s *k, const char *text,
			const char *ns, const char *selector, struct arena *a, struct doc **ret,
			struct error *err)
{
	struct kube_request q = {.verb = KUBE_LIST, .label_selector = selector, .limit = LIST_PAGE};
	struct doc *ref;
	int r = ref_doc(a, text, false, &ref, &q.kind, err);

	if (!r && ns && !known_name(ns))
		return error_set(err, -EINVAL, "\"%.60s\" is no namespace", ns);
	if (!r && selector && !*selector)
		return error_set(err, -EINVAL,
				 "the selector selects nothing: left out it means all");
	if (!r && doc_get(ref, "name"))
		return error_set(err, -EINVAL,
				 "%.120s: a list is of a kind; of one object there is get", text);
	if (!r && ns && !q.kind->namespaced)
		return error_set(err, -EINVAL, "%.120s stands in no namespace", text);
	if (r)
		return r;
	q.namespace_ = ns;
	return page_through(s, &q, (size_t)(k->limit.set ? k->limit.value : 500), a, ret, err);
}

static void read_k8s(const struct scope *s, const struct runbook_step *step, const struct doc *data,
		     struct arena *a, struct done *d)
{
	const struct step_k8s *k = step->k8s;
	const char *why = NULL, *text = walk_text(a, k->get ? k->get : k->list, data, &why);
	const char *ns = k->namespace ? walk_text(a, k->namespace, data, &why) : NULL;
	const char *selector = k->selector ? walk_text(a, k->selector, data, &why) : NULL;
	struct error err = ERROR_INIT;
	struct doc *answer = NULL;
	int r;

	d->source = arena_printf(a, "%s %s", k->get ? "get" : "list", str_or_empty(text));
	if (!text || (k->namespace && !ns) || (k->selector && !selector)) {
		act_cannot(d, arena_printf(a, "it cannot be asked: %s", str_or_empty(why)));
		return;
	}
	if (!s->r->cluster.client) {
		act_cannot(d, arena_printf(a, "there is no cluster to ask: %s",
					   str_or_empty(s->r->no_cluster)));
		return;
	}
	if (k->get && (k->namespace || k->selector || k->limit.set))
		r = error_set(&err, -EINVAL, "get is about the object it names, and nothing else");
	else
		r = k->get ? get_object(s, text, a, &answer, &err)
			   : list_objects(s, k, text, ns, selector, a, &answer, &err);
	if (r)
		act_failed(d, a, &err);
	else
		answered(d, answer);
}

/* --- http --------------------------------------------------------------------------------------
 */

/* As the lint says it, of the text that is really asked: nothing a template brought leads outside.
 */
static bool stays_here(struct arena *a, const char *url)
{
	const char *host = strstr(url, "//"), *port;

	if ((!str_starts(url, "http://") && !str_starts(url, "https://")) || !host)
		return false;
	for (const char *c = url; *c; c++) {
		if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '\\')
			return false;
	}
	host = arena_strndup(a, host + 2, strcspn(host + 2, "/?#"));
	port = strchr(host, ':');
	if (strchr(host, '@') || (port && port[1 + strspn(port + 1, "0123456789")]))
		return false;
	host = arena_strndup(a, host, strcspn(host, ":"));
	return str_eq(host, "localhost") || str_eq(host, "127.0.0.1") || str_ends(host, ".svc") ||
	       str_ends(host, ".svc.cluster.local");
}

static void read_http(const struct scope *s, const struct runbook_step *step,
		      const struct doc *data, struct arena *a, struct done *d)
{
	const char *why = NULL, *url = walk_text(a, step->http->url, data, &why);
	const uint64_t max = evidence_size(step->http->output);
	struct http_request q = {.url = url,
				 .timeout_ns = duration_ns(step->timeout, 10 * NS_PER_S),
				 .max_body = (size_t)(max ? max : 65536)};
	struct http_client *client;
	struct http_response answer;
	struct error err = ERROR_INIT;
	struct doc *out = doc_map(a), *json = NULL;

	d->source = arena_printf(a, "GET %s", url ? url : step->http->url);
	if (!url || !stays_here(a, url)) {
		act_cannot(d,
			   url ? "the address is not one of this machine or of the cluster" : why);
		return;
	}
	client = http_client_new(s->r->cluster.loop, NULL);
	if (http_call_wait(s->r->cluster.loop, client, &q, &answer, &err) < 0) {
		act_failed(d, a, &err);
	} else {
		doc_set_int(a, out, "status", answer.status);
		if (!doc_read_json(a, strbuf_cstr(&answer.body), answer.body.len, NULL, &json,
				   NULL))
			doc_set(a, out, "json", json);
		else
			doc_set_string(a, out, "body", strbuf_cstr(&answer.body));
		answered(d, out);
		if (step->http->expect.set && step->http->expect.value != answer.status) {
			d->answer = NULL;
			d->status = STATUS_FAILED;
			d->why = arena_printf(a, "the answer is %d, not %" PRId64, answer.status,
					      step->http->expect.value);
		}
	}
	http_response_release(&answer);
	http_client_free(client);
}

/* --- commands ----------------------------------------------------------------------------------
 */

int run_argv(const struct scope *s, const struct strings *argv, const char *output, bool mutates,
	     const char *timeout, const struct doc *data, struct arena *a, struct done *d,
	     struct error *err)
{
	const struct run_options *o = &s->r->options;
	struct command_request q = {.argv = arena_array(a, argv->n + 1, const char *),
				    .n = argv->n,
				    .mutates = mutates,
				    .timeout_ns = duration_ns(timeout, FIVE_MINUTES_NS),
				    .max_output = evidence_size(output),
				    .kubeconfig =
					    o->kubeconfig ? o->kubeconfig : getenv("KUBECONFIG"),
				    .context = o->context,
				    .state = s->r->state};
	auto_release(strbuf) struct strbuf words = STRBUF_INIT;
	const char *why = NULL;

	for (size_t i = 0; i < argv->n; i++) {
		const char *word = walk_text(a, argv->items[i], data, &why);

		if (!word)
			return error_set(err, -EINVAL, "it cannot be run: %s", why);
		((const char **)(uintptr_t)q.argv)[i] = word;
		strbuf_addf(&words, "%s%s", i ? " " : "", word);
	}
	d->source = arena_strdup(a, strbuf_cstr(&words));
	return command_run(&s->r->cluster, &q, a, &d->answer, err);
}

static void read_command(const struct scope *s, const struct runbook_step *step,
			 const struct doc *data, struct arena *a, struct done *d)
{
	struct error err = ERROR_INIT;

	if (run_argv(s, &step->command->argv, step->command->output, false, step->timeout, data, a,
		     d, &err) < 0)
		act_failed(d, a, &err);
}

/* {result, message, exit}; what the check itself does not know is not known here. */
static void read_check(const struct scope *s, const struct runbook_step *step,
		       const struct doc *data, struct arena *a, struct done *d)
{
	const char *words[] = {"sidestep-preflight", "run", "--passive", "-o", "json", "--only",
			       step->check};
	const struct strings argv = {words, ARRAY_SIZE(words)};
	struct error err = ERROR_INIT;
	const struct doc *found;
	struct doc *answer = doc_map(a);
	const char *said;

	if (run_argv(s, &argv, "1MiB", false, step->timeout, data, a, d, &err) < 0) {
		act_failed(d, a, &err);
		return;
	}
	found = doc_find(d->answer, "json.findings[0]");
	said = str_or_empty(doc_find_str(d->answer, "error"));
	if (!doc_find_str(found, "result") || str_eq(doc_find_str(found, "result"), "unknown")) {
		act_cannot(d, found ? doc_find_str(found, "message")
				    : arena_printf(a, "there is no answer of %s: %.*s", step->check,
						   (int)strcspn(said, "\n"), said));
		return;
	}
	doc_set_string(a, answer, "result", doc_find_str(found, "result"));
	doc_set_string(a, answer, "message", doc_find_str(found, "message"));
	doc_set_int(a, answer, "exit", doc_find_int(d->answer, "exit", 1));
	d->answer = answer;
}

/* --- what is read, whatever its kind -----------------------------------------------------------
 */

void act_read(const struct scope *s, const struct runbook_step *step, const struct doc *data,
	      struct arena *a, struct done *d)
{
	struct cluster *c = &s->r->cluster;
	const uint64_t patience = c->patience_ns;
	const uint64_t began = clock_now_ns(c->clock);

	/* One that did not answer is not waited for at every step anew. */
	c->patience_ns =
		s->r->unreachable ? SHORT_PATIENCE_NS : duration_ns(step->timeout, 30 * NS_PER_S);
	s->r->reading = true;
	if (step->kind == STEP_QUERY || step->kind == STEP_FLOWS)
		read_query(s, step, data, a, d);
	else if (step->kind == STEP_K8S)
		read_k8s(s, step, data, a, d);
	else if (step->kind == STEP_HTTP)
		read_http(s, step, data, a, d);
	else if (step->kind == STEP_COMMAND)
		read_command(s, step, data, a, d);
	else if (step->kind == STEP_CHECK)
		read_check(s, step, data, a, d);
	else if (step->kind == STEP_PROM)
		act_cannot(d, "no Prometheus is known to this program");
	else if (step->kind == STEP_GATE)
		act_cannot(d,
			   arena_printf(a,
					"gate %s belongs to a run of the upgrade or the migration: "
					"see its status",
					step->gate));
	s->r->reading = false;
	s->r->unreachable =
		!d->answer && c->client && clock_now_ns(c->clock) - began >= c->patience_ns;
	c->patience_ns = patience;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces from a seed: what a call graph needs so that the story can be told about it. */
#include "deploy/lab/random.h"

#include <string.h>

#include "lib/base/vec.h"

enum { SERVICES_MIN = 4, SERVICES_MAX = 7, REPLICAS = 2, RATE = 2 };
/* Calls whose callers hold a line open; each replica has one, so 10 lines at least. */
enum { HELD_CALLS = 5 };

enum speech { SPEECH_HTTP, SPEECH_TCP, SPEECH_TCP_FIRST };
static const char *const schemes[] = {"http", "tcp", "tcp-first"};
static const char *const port_names[] = {"http", "tcp", "tcp"};
static const char *const serve_options[] = {"--http", "--tcp-echo", "--tcp-first"};

struct service {
	const char *name;
	enum speech speech;
	unsigned port, target;
	/* Who may call: everybody of the namespace, or just the callers; one caller may be denied.
	 */
	bool by_namespace;
	bool headless_name; /* clients write the full name */
};

struct plan {
	struct arena *a;
	uint64_t state;
	const char *ns, *intruder;
	struct service services[SERVICES_MAX];
	unsigned n;
	bool calls[SERVICES_MAX][SERVICES_MAX];
	bool denied[SERVICES_MAX][SERVICES_MAX]; /* by a DENY, where the namespace is allowed */
	VEC(struct doc *) objects;
	unsigned edges, refusals;
};

/* splitmix64: small, and the same everywhere. */
static uint64_t next(struct plan *p)
{
	uint64_t z = p->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static unsigned pick(struct plan *p, unsigned n)
{
	return (unsigned)(next(p) % n);
}

/* --- the graph --- */

static void choose_services(struct plan *p)
{
	static const unsigned ports[] = {80, 3306, 5672, 7000, 8080, 9000, 9090};

	p->n = SERVICES_MIN + pick(p, SERVICES_MAX - SERVICES_MIN + 1);
	for (unsigned i = 0; i < p->n; i++) {
		struct service *s = &p->services[i];

		s->name = arena_printf(p->a, "svc-%c", 'a' + (int)i);
		/* What calls others is HTTP; the leaves may be anything. */
		s->speech = i + 2 < p->n ? SPEECH_HTTP : (enum speech)pick(p, 3);
		s->port = ports[pick(p, ARRAY_SIZE(ports))];
		s->target = pick(p, 2) && s->port >= 1024 ? s->port : 10000 + pick(p, 2000);
		s->by_namespace = pick(p, 3) == 0;
		s->headless_name = pick(p, 2);
	}
}

static unsigned held_calls(const struct plan *p)
{
	unsigned n = 0;

	for (unsigned server = 0; server < p->n; server++)
		for (unsigned caller = 0; caller < p->n; caller++)
			n += p->calls[caller][server] && p->services[server].speech != SPEECH_HTTP;
	return n;
}

/* Where the draw left too few, the leaves speak TCP and get more callers. */
static void hold_enough(struct plan *p)
{
	for (unsigned server = p->n - 1; server >= p->n - 2 && held_calls(p) < HELD_CALLS;
	     server--) {
		if (p->services[server].speech == SPEECH_HTTP)
			p->services[server].speech = SPEECH_TCP;
		for (unsigned caller = 0; caller < server && held_calls(p) < HELD_CALLS; caller++)
			p->calls[caller][server] = true;
	}
}

/* Callers have smaller numbers than servers, so there is no cycle. */
static void choose_calls(struct plan *p)
{
	for (unsigned server = 1; server < p->n; server++) {
		p->calls[pick(p, server)][server] = true;
		for (unsigned caller = 0; caller < server; caller++)
			p->calls[caller][server] = p->calls[caller][server] || pick(p, 4) == 0;
	}
	hold_enough(p);
	for (unsigned server = 0; server < p->n; server++) {
		unsigned who = pick(p, p->n);

		if (p->services[server].by_namespace && who != server && !p->calls[who][server])
			p->denied[who][server] = true;
	}
}

static bool allowed(const struct plan *p, unsigned from, unsigned to)
{
	if (p->services[to].by_namespace)
		return !p->denied[from][to];
	return p->calls[from][to];
}

/* --- objects --- */

static struct doc *object(struct plan *p, const char *api, const char *kind, const char *ns,
			  const char *name)
{
	struct doc *o = doc_map(p->a), *meta;

	doc_set_string(p->a, o, "apiVersion", api);
	doc_set_string(p->a, o, "kind", kind);
	meta = doc_set_map(p->a, o, "metadata");
	doc_set_string(p->a, meta, "name", name);
	doc_set_string(p->a, meta, "namespace", ns);
	vec_push(&p->objects, o);
	return o;
}

static void set_app(struct plan *p, struct doc *parent, const char *key, const char *app)
{
	doc_set_string(p->a, doc_set_map(p->a, parent, key), "app", app);
}

static void add_namespace(struct plan *p, const char *name, const char *injection)
{
	struct doc *o = object(p, "v1", "Namespace", NULL, name);

	doc_set_string(p->a, doc_set_map(p->a, doc_get(o, "metadata"), "labels"), "istio-injection",
		       injection);
}

static void add_service(struct plan *p, const struct service *s)
{
	struct doc *spec = doc_set_map(p->a, object(p, "v1", "Service", p->ns, s->name), "spec");
	struct doc *port = doc_append(p->a, doc_set_list(p->a, spec, "ports"), doc_map(p->a));

	set_app(p, spec, "selector", s->name);
	doc_set_string(p->a, port, "name", port_names[s->speech]);
	doc_set_int(p->a, port, "port", s->port);
	doc_set_int(p->a, port, "targetPort", s->target);
	doc_set_string(p->a, port, "protocol", "TCP");
}

static void add_budget(struct plan *p, const char *name)
{
	struct doc *spec = doc_set_map(
		p->a, object(p, "policy/v1", "PodDisruptionBudget", p->ns, name), "spec");

	doc_set_int(p->a, spec, "minAvailable", 1);
	set_app(p, doc_set_map(p->a, spec, "selector"), "matchLabels", name);
}

static const char *url(struct plan *p, const struct service *s, bool full)
{
	return arena_printf(p->a, "%s://%s%s%s:%u%s", schemes[s->speech], s->name, full ? "." : "",
			    full ? p->ns : "", s->port, s->speech == SPEECH_HTTP ? "/" : "");
}

static void add_arg(struct plan *p, struct doc *args, const char *option, const char *value)
{
	doc_append(p->a, args, doc_stringf(p->a, "%s=%s", option, value));
}

/* What the clients of service i do: calls that must pass, lines held open, and refusals. */
static void add_client_args(struct plan *p, unsigned i, struct doc *args)
{
	unsigned refusals = 0;

	for (unsigned to = 0; to < p->n; to++) {
		const struct service *s = &p->services[to];

		if (p->calls[i][to]) {
			add_arg(p, args, "--call", url(p, s, s->headless_name));
			p->edges++;
			if (s->speech != SPEECH_HTTP)
				add_arg(p, args, "--hold", url(p, s, false));
		} else if (to != i && !allowed(p, i, to) && refusals < 2) {
			add_arg(p, args, "--refuse", url(p, s, false));
			refusals++;
		}
	}
	p->refusals += refusals;
}

static struct doc *container(struct plan *p, struct doc *template)
{
	struct doc *spec = doc_set_map(p->a, template, "spec");
	struct doc *c = doc_append(p->a, doc_set_list(p->a, spec, "containers"), doc_map(p->a));
	struct doc *pre_stop = doc_set_map(p->a, doc_set_map(p->a, c, "lifecycle"), "preStop");

	doc_set_int(p->a, spec, "terminationGracePeriodSeconds", 20);
	doc_set_string(p->a, c, "name", "app");
	doc_set_string(p->a, c, "image", "sidestep.dev/lab/workload:1");
	doc_set_int(p->a, doc_set_map(p->a, pre_stop, "sleep"), "seconds", 3);
	return c;
}

static void add_probe(struct plan *p, struct doc *c)
{
	struct doc *probe = doc_set_map(p->a, c, "readinessProbe");
	struct doc *command = doc_set_list(p->a, doc_set_map(p->a, probe, "exec"), "command");

	doc_append(p->a, command, doc_string(p->a, "/workload"));
	doc_append(p->a, command, doc_string(p->a, "--probe"));
	doc_set_int(p->a, probe, "periodSeconds", 1);
}

static struct doc *add_deployment(struct plan *p, const char *ns, const char *name,
				  unsigned replicas)
{
	struct doc *spec, *template, *strategy;

	object(p, "v1", "ServiceAccount", ns, name);
	spec = doc_set_map(p->a, object(p, "apps/v1", "Deployment", ns, name), "spec");
	doc_set_int(p->a, spec, "replicas", replicas);
	set_app(p, doc_set_map(p->a, spec, "selector"), "matchLabels", name);
	strategy = doc_set_map(p->a, doc_set_map(p->a, spec, "strategy"), "rollingUpdate");
	doc_set_int(p->a, strategy, "maxSurge", 1);
	doc_set_int(p->a, strategy, "maxUnavailable", 0);
	template = doc_set_map(p->a, spec, "template");
	set_app(p, doc_set_map(p->a, template, "metadata"), "labels", name);
	doc_set_string(p->a, doc_set_map(p->a, template, "spec"), "serviceAccountName", name);
	return template;
}

static void add_workload(struct plan *p, unsigned i)
{
	const struct service *s = &p->services[i];
	struct doc *template = add_deployment(p, p->ns, s->name, REPLICAS);
	struct doc *c = container(p, template);
	struct doc *args = doc_set_list(p->a, c, "args");
	struct doc *port = doc_append(p->a, doc_set_list(p->a, c, "ports"), doc_map(p->a));

	doc_set_int(p->a, port, "containerPort", s->target);
	doc_append(p->a, args, doc_stringf(p->a, "%s=%u", serve_options[s->speech], s->target));
	doc_append(p->a, args, doc_stringf(p->a, "--rate=%d", RATE));
	add_client_args(p, i, args);
	add_probe(p, c);
}

/* --- Istio's policies --- */

static struct doc *add_policy(struct plan *p, const char *name, const char *app, const char *action)
{
	struct doc *o = object(p, "security.istio.io/v1", "AuthorizationPolicy", p->ns, name);
	struct doc *spec = doc_set_map(p->a, o, "spec");

	set_app(p, doc_set_map(p->a, spec, "selector"), "matchLabels", app);
	doc_set_string(p->a, spec, "action", action);
	return doc_append(p->a, doc_set_list(p->a, spec, "rules"), doc_map(p->a));
}

static struct doc *source_list(struct plan *p, struct doc *rule, const char *key)
{
	struct doc *from = doc_append(p->a, doc_set_list(p->a, rule, "from"), doc_map(p->a));

	return doc_set_list(p->a, doc_set_map(p->a, from, "source"), key);
}

static void add_port(struct plan *p, struct doc *rule, unsigned port)
{
	struct doc *to = doc_append(p->a, doc_set_list(p->a, rule, "to"), doc_map(p->a));

	doc_append(p->a, doc_set_list(p->a, doc_set_map(p->a, to, "operation"), "ports"),
		   doc_stringf(p->a, "%u", port));
}

static void add_principal(struct plan *p, struct doc *list, unsigned caller)
{
	doc_append(p->a, list,
		   doc_stringf(p->a, "cluster.local/ns/%s/sa/%s", p->ns, p->services[caller].name));
}

static void add_authorization(struct plan *p, unsigned i)
{
	const struct service *s = &p->services[i];
	struct doc *rule = NULL, *list = NULL;

	for (unsigned from = 0; from < p->n; from++) {
		if (!p->denied[from][i])
			continue;
		rule = add_policy(p, arena_printf(p->a, "%s-deny", s->name), s->name, "DENY");
		add_principal(p, source_list(p, rule, "principals"), from);
	}
	if (s->by_namespace) {
		rule = add_policy(p, s->name, s->name, "ALLOW");
		doc_append(p->a, source_list(p, rule, "namespaces"), doc_string(p->a, p->ns));
		add_port(p, rule, s->target);
		return;
	}
	for (unsigned from = 0; from < p->n; from++) {
		if (!p->calls[from][i])
			continue;
		if (!list) {
			rule = add_policy(p, s->name, s->name, "ALLOW");
			list = source_list(p, rule, "principals");
		}
		add_principal(p, list, from);
	}
	if (rule)
		add_port(p, rule, s->target);
}

static void add_istio(struct plan *p)
{
	const struct service *forced = &p->services[1 + pick(p, p->n - 1)];
	struct doc *o = object(p, "security.istio.io/v1", "PeerAuthentication", p->ns, "default");

	doc_set_string(p->a, doc_set_map(p->a, doc_set_map(p->a, o, "spec"), "mtls"), "mode",
		       "STRICT");
	o = object(p, "security.istio.io/v1", "AuthorizationPolicy", p->ns, "deny-the-rest");
	doc_set_map(p->a, o, "spec");
	for (unsigned i = 0; i < p->n; i++)
		add_authorization(p, i);
	o = object(p, "networking.istio.io/v1", "DestinationRule", p->ns, forced->name);
	o = doc_set_map(p->a, o, "spec");
	doc_setf(p->a, o, "host", "%s.%s.svc.cluster.local", forced->name, p->ns);
	doc_set_string(p->a, doc_set_map(p->a, doc_set_map(p->a, o, "trafficPolicy"), "tls"),
		       "mode", "ISTIO_MUTUAL");
}

static void add_intruder(struct plan *p)
{
	struct doc *args;

	add_namespace(p, p->intruder, NULL);
	args = doc_set_list(p->a, container(p, add_deployment(p, p->intruder, "tries-all", 1)),
			    "args");
	doc_append(p->a, args, doc_string(p->a, "--rate=1"));
	for (unsigned i = 0; i < p->n; i++) {
		const struct service *s = &p->services[i];

		add_arg(p, args, "--refuse", url(p, s, true));
		doc_append(p->a, args,
			   doc_stringf(p->a, "--refuse=%s://_pods.%s.%s:%u", schemes[s->speech],
				       s->name, p->ns, s->target));
		p->refusals += 2;
	}
}

void random_namespace_make(struct random_namespace *r, struct arena *a, uint64_t seed)
{
	struct plan p = {.a = a, .state = seed};

	p.ns = arena_printf(a, "random-%llu", (unsigned long long)seed);
	p.intruder = arena_printf(a, "intruder-%llu", (unsigned long long)seed);
	choose_services(&p);
	choose_calls(&p);
	add_namespace(&p, p.ns, "enabled");
	add_istio(&p);
	for (unsigned i = 0; i < p.n; i++) {
		add_service(&p, &p.services[i]);
		add_budget(&p, p.services[i].name);
		add_workload(&p, i);
	}
	add_intruder(&p);
	*r = (struct random_namespace){.name = p.ns,
				       .intruder = p.intruder,
				       .n = p.objects.n,
				       .services = p.n,
				       .edges = p.edges,
				       .refusals = p.refusals};
	r->objects = arena_memdup(a, p.objects.items, p.objects.n * sizeof(*p.objects.items));
	vec_release(&p.objects);
}

void random_namespace_write(const struct random_namespace *r, struct strbuf *out)
{
	for (size_t i = 0; i < r->n; i++) {
		if (i)
			strbuf_adds(out, "---\n");
		doc_write_yaml(r->objects[i], out);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A Lease: get, then create, take over or renew with the version just read; repeat. */
#include "lib/kube/lease.h"

#include "lib/base/alloc.h"
#include "lib/base/str.h"

struct kube_lease {
	struct kube_client *client;
	struct loop *loop;
	struct arena arena;
	struct kube_lease_options options;
	void (*on_change)(void *arg, bool held, const char *holder);
	void *arg;
	struct kube_call *call;
	struct loop_timer *timer;    /* the next attempt */
	struct loop_timer *deadline; /* stop holding */
	bool held;
	bool rival_lives;       /* somebody else's renewal was seen */
	bool was_held, taken;   /* by us once; by another since */
	struct error why;       /* of the last attempt */
	char *holder, *version; /* last seen */
	uint64_t seen_ns;       /* when version was seen first */
	uint64_t sent_ns;       /* when the write in flight was sent */
	uint64_t until_ns;      /* held for so long, if it is not renewed */
};

static void attempt(void *arg);

static void set_held(struct kube_lease *l, bool held)
{
	if (l->held == held)
		return;
	l->held = held;
	l->was_held |= held;
	if (!held)
		loop_timer_stop(l->deadline);
	l->on_change(l->arg, held, str_or_empty(l->holder));
}

static void deadline_passed(void *arg)
{
	set_held(arg, false);
}

static void note_holder(struct kube_lease *l, const struct doc *object)
{
	const char *holder = str_or_empty(doc_find_str(object, "spec.holderIdentity"));
	const char *version = kube_resource_version(object);
	bool news = !str_eq(holder, str_or_empty(l->holder));

	/* Also when it was handed back again: who had it may have written. */
	l->taken |= l->was_held && !str_eq(holder, l->options.holder);
	if (!str_eq(version, l->version)) {
		l->rival_lives = l->version && !news && !str_empty(holder) &&
				 !str_eq(holder, l->options.holder);
		free(l->version);
		l->version = xstrdup(version);
		l->seen_ns = loop_now_ns(l->loop);
	}
	if (!news)
		return;
	free(l->holder);
	l->holder = xstrdup(holder);
	if (!l->held && !str_eq(holder, l->options.holder))
		l->on_change(l->arg, false, holder);
}

static void note_answer(struct kube_lease *l, const struct kube_result *r)
{
	l->why = (struct error)ERROR_INIT;
	if (r->code && r->code != -ESTALE && r->code != -EEXIST && r->code != -ENOENT)
		kube_result_error(r, &l->why);
}

static void retry(struct kube_lease *l)
{
	loop_timer_set(l->timer, l->options.retry_ns);
}

static void written(void *arg, struct kube_result *r)
{
	struct kube_lease *l = arg;
	uint64_t since = loop_now_ns(l->loop) - l->sent_ns;

	l->call = NULL;
	note_answer(l, r);
	retry(l);
	if (r->code) {
		if (r->code == -ESTALE || r->code == -EEXIST)
			set_held(l, false);
		return;
	}
	note_holder(l, r->object);
	/* Counted from when it was sent: the server may have taken it at any time since. */
	if (since >= l->options.deadline_ns)
		return;
	loop_timer_set(l->deadline, l->options.deadline_ns - since);
	l->until_ns = l->sent_ns + l->options.deadline_ns;
	set_held(l, true);
}

static void fill(struct kube_lease *l, struct arena *a, struct doc *object, bool taken)
{
	struct doc *spec = doc_set_map(a, object, "spec");
	char now[CLOCK_RFC3339_SIZE];

	clock_rfc3339(clock_wall_ns(loop_clock(l->loop)), 6, now);
	doc_set_string(a, spec, "holderIdentity", l->options.holder);
	doc_set_int(a, spec, "leaseDurationSeconds", (int64_t)(l->options.duration_ns / NS_PER_S));
	doc_set_string(a, spec, "renewTime", now);
	if (!taken)
		return;
	doc_set_string(a, spec, "acquireTime", now);
	doc_set_int(a, spec, "leaseTransitions",
		    doc_int_or(doc_get(spec, "leaseTransitions"), 0) + 1);
}

static void write_lease(struct kube_lease *l, const struct doc *object, enum kube_verb verb)
{
	struct kube_request q = {.verb = verb,
				 .kind = object_kind(KIND_LEASE),
				 .namespace_ = l->options.namespace_,
				 .name = verb == KUBE_UPDATE ? l->options.name : NULL,
				 .body = object};

	l->sent_ns = loop_now_ns(l->loop);
	l->call = kube_start(l->client, &q, written, l);
}

static void was_read(void *arg, struct kube_result *r)
{
	struct kube_lease *l = arg;
	struct doc *object = r->object;
	bool ours, expired;

	l->call = NULL;
	if (r->code == -ENOENT) {
		object = kube_object_new(&r->arena, object_kind(KIND_LEASE), l->options.namespace_,
					 l->options.name);
		fill(l, &r->arena, object, true);
		write_lease(l, object, KUBE_CREATE);
		return;
	}
	if (r->code) {
		note_answer(l, r);
		retry(l);
		return;
	}
	note_holder(l, object);
	ours = str_eq(l->holder, l->options.holder);
	expired =
		str_empty(l->holder) || loop_now_ns(l->loop) - l->seen_ns >= l->options.duration_ns;
	if (!ours)
		set_held(l, false);
	if (!ours && !expired) {
		retry(l);
		return;
	}
	fill(l, &r->arena, object, !ours);
	write_lease(l, object, KUBE_UPDATE);
}

static void attempt(void *arg)
{
	struct kube_lease *l = arg;
	struct kube_request q = {.verb = KUBE_GET,
				 .kind = object_kind(KIND_LEASE),
				 .namespace_ = l->options.namespace_,
				 .name = l->options.name};

	l->call = kube_start(l->client, &q, was_read, l);
}

struct kube_lease *kube_lease_new(struct kube_client *client,
				  const struct kube_lease_options *options,
				  void (*on_change)(void *arg, bool held, const char *holder),
				  void *arg)
{
	struct kube_lease *l = xcalloc(1, sizeof(*l));

	l->client = client;
	l->loop = kube_client_loop(client);
	l->options = *options;
	l->options.namespace_ = arena_strdup(&l->arena, options->namespace_);
	l->options.name = arena_strdup(&l->arena, options->name);
	l->options.holder = arena_strdup(&l->arena, options->holder);
	if (!l->options.duration_ns)
		l->options.duration_ns = 15 * NS_PER_S;
	if (!l->options.deadline_ns)
		l->options.deadline_ns = 10 * NS_PER_S;
	if (!l->options.retry_ns)
		l->options.retry_ns = 2 * NS_PER_S;
	l->on_change = on_change;
	l->arg = arg;
	l->timer = loop_timer_new(l->loop, attempt, l);
	l->deadline = loop_timer_new(l->loop, deadline_passed, l);
	loop_timer_set(l->timer, 0);
	return l;
}

bool kube_lease_held(const struct kube_lease *lease)
{
	return lease->held && loop_now_ns(lease->loop) < lease->until_ns;
}

bool kube_lease_rival_lives(const struct kube_lease *lease)
{
	return lease->rival_lives;
}

bool kube_lease_taken(const struct kube_lease *lease)
{
	return lease->taken;
}

int kube_lease_why(const struct kube_lease *lease, struct error *err)
{
	return lease->why.code ? error_set(err, lease->why.code, "%s", lease->why.msg) : 0;
}

int64_t kube_lease_until_ns(const struct doc *object)
{
	int64_t renewed, seconds = doc_find_int(object, "spec.leaseDurationSeconds", 0);

	if (str_empty(doc_find_str(object, "spec.holderIdentity")) || seconds < 0 ||
	    seconds > INT32_MAX ||
	    clock_parse_rfc3339(str_or_empty(doc_find_str(object, "spec.renewTime")), &renewed))
		return 0;
	return renewed + seconds * (int64_t)NS_PER_S;
}

static void ignore(UNUSED void *arg, UNUSED struct kube_result *r)
{
}

/* Guarded by the version we saw last: what somebody else took meanwhile is left alone. */
static void hand_back(struct kube_lease *l)
{
	struct arena a = ARENA_INIT;
	struct doc *patch = doc_map(&a), *spec;
	struct kube_request q = {.verb = KUBE_PATCH,
				 .kind = object_kind(KIND_LEASE),
				 .namespace_ = l->options.namespace_,
				 .name = l->options.name,
				 .body = patch};

	doc_set_string(&a, doc_set_map(&a, patch, "metadata"), "resourceVersion", l->version);
	spec = doc_set_map(&a, patch, "spec");
	doc_set_string(&a, spec, "holderIdentity", "");
	kube_start(l->client, &q, ignore, NULL);
	arena_release(&a);
}

void kube_lease_free(struct kube_lease *l, bool release)
{
	if (!l)
		return;
	kube_cancel(l->call);
	if (release && l->held)
		hand_back(l);
	loop_timer_free(l->timer);
	loop_timer_free(l->deadline);
	free(l->holder);
	free(l->version);
	arena_release(&l->arena);
	free(l);
}

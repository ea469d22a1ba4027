/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/run/cluster.h"

#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/kube/lease.h"

#define PATIENCE_NS   (120 * NS_PER_S)
#define FIRST_WAIT_NS (200 * NS_PER_MS)
#define LAST_WAIT_NS  (2 * NS_PER_S)

const char *cluster_typed(struct arena *a, const char *typed, const char *name, const char *value)
{
	const char *quote = value && strpbrk(value, " \t") ? "\"" : "";

	return value ? arena_printf(a, "%s --%s %s%s%s", str_or_empty(typed), name, quote, value,
				    quote)
		     : typed;
}

const char *cluster_retype(struct arena *a, const char *words, const char *typed)
{
	static const char command[] = "'sidestep ";
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	const char *from = words, *at;

	if (str_empty(typed))
		return words;
	while ((at = strstr(from, command))) {
		const char *end = strchr(at + 1, '\'');

		if (!end)
			break;
		strbuf_add(&out, from, (size_t)(end - from));
		strbuf_addf(&out, "%s'", typed);
		from = end + 1;
	}
	strbuf_adds(&out, from);
	return arena_strdup(a, strbuf_cstr(&out));
}

int cluster_open(struct cluster *c, struct arena *a, const char *kubeconfig, const char *context,
		 const char *manager, struct error *err)
{
	struct kube_config_options where = {kubeconfig, context};
	struct kube_client_options options = {.field_manager = manager};
	struct kube_config config;
	int r = kube_config_load(a, &where, &config, err);

	if (r)
		return r;
	*c = (struct cluster){.loop = loop_new(NULL), .clock = clock_system()};
	c->client = kube_client_new(c->loop, &config, &options);
	c->typed = cluster_typed(a, NULL, "kubeconfig", kubeconfig);
	c->typed = cluster_typed(a, c->typed, "context", context);
	return 0;
}

void cluster_release(struct cluster *c)
{
	kube_client_free(c->client);
	loop_free(c->loop);
	*c = (struct cluster){0};
}

static int asked_to_pause(const struct cluster *c, struct error *err)
{
	return c->pause ? error_set(err, -EINTR, "%s", c->pause) : 0;
}

static void timer_fired(void *arg)
{
	*(bool *)arg = true;
}

int cluster_wait(struct cluster *c, uint64_t ns, struct error *err)
{
	struct loop_timer *timer;
	bool fired = false;
	int r = asked_to_pause(c, err);

	if (r)
		return r;
	if (c->fake) {
		loop_advance(c->loop, c->fake, ns);
		return asked_to_pause(c, err);
	}
	timer = loop_timer_new(c->loop, timer_fired, &fired);
	loop_timer_set(timer, ns);
	while (!fired && !c->pause && r >= 0)
		r = loop_turn(c->loop, true, err);
	loop_timer_free(timer);
	return r < 0 ? r : asked_to_pause(c, err);
}

/*
 * Waits a little longer each time; false when patience is over. A pause does not cut this short:
 * the answer to a write must be known before the run stops.
 */
static bool wait_again(struct cluster *c, uint64_t began, unsigned attempt, uint64_t at_least)
{
	uint64_t patience = c->patience_ns ? c->patience_ns : PATIENCE_NS;
	uint64_t ns = MIN(FIRST_WAIT_NS << MIN(attempt, 4u), LAST_WAIT_NS);
	const char *pause = c->pause;

	if (clock_now_ns(c->clock) - began >= patience)
		return false;
	c->pause = NULL;
	cluster_wait(c, MAX(ns, MIN(at_least, LAST_WAIT_NS)), NULL);
	c->pause = c->pause ? c->pause : pause;
	return true;
}

int cluster_wait_for_lock(struct cluster *c, struct error *err)
{
	uint64_t patience = c->patience_ns ? c->patience_ns : PATIENCE_NS;
	uint64_t until = clock_now_ns(c->clock) + patience;
	struct error why = ERROR_INIT;
	int r;

	while (c->lock && !kube_lease_held(c->lock)) {
		if (kube_lease_taken(c->lock))
			c->pause = c->pause ? c->pause : "the lock was lost to somebody else";
		else if (clock_now_ns(c->clock) >= until)
			c->pause = c->pause ? c->pause : "the lock of this run cannot be renewed";
		r = cluster_wait(c, FIRST_WAIT_NS, err);
		if (r && kube_lease_why(c->lock, &why))
			error_set(err, r,
				  "%s, and nothing is written without it (tried for up to "
				  "%llu s): %s",
				  c->pause ? c->pause : "interrupted",
				  (unsigned long long)(patience / NS_PER_S), why.msg);
		if (r)
			return r;
	}
	return 0;
}

int cluster_do(struct cluster *c, const struct kube_request *request, struct arena *a,
	       struct doc **ret_object, struct error *err)
{
	uint64_t began = clock_now_ns(c->clock);

	for (unsigned attempt = 0;; attempt++) {
		struct kube_result result;
		int r = kube_wait(c->client, request, &result, err);
		/* 410: what was asked for is known no more, so it is asked anew. */
		bool again = r < 0 && (kube_retryable(&result) || result.status == 410);
		uint64_t after = result.retry_after_ns;

		if (!r && ret_object)
			*ret_object = doc_clone(a, result.object);
		kube_result_release(&result);
		if (!again || !wait_again(c, began, attempt, after))
			return r;
	}
}

int cluster_get(struct cluster *c, struct arena *a, const struct object_kind *kind, const char *ns,
		const char *name, struct doc **ret_object, struct error *err)
{
	struct kube_request request = {.verb = KUBE_GET,
				       .kind = kind,
				       .namespace_ = kind->namespaced ? ns : NULL,
				       .name = name};
	struct error why = ERROR_INIT;
	int r = cluster_do(c, &request, a, ret_object, &why);

	if (r == -ENOENT) {
		*ret_object = NULL;
		return 0;
	}
	return r < 0 ? error_set(err, r, "%s", why.msg) : 0;
}

/* kube_list() keeps only the code, so this is what kube_retryable() means for it. */
static bool transient(int r)
{
	return r == -EIO || r == -EBUSY || r == -ETIMEDOUT || r == -ECONNREFUSED ||
	       r == -ECONNRESET || r == -EPIPE || r == -ENETUNREACH || r == -EHOSTUNREACH ||
	       r == -EXDEV || r == -EPROTO;
}

int cluster_list(struct cluster *c, struct arena *a, const struct object_kind *kind, const char *ns,
		 struct doc **ret_list, struct error *err)
{
	uint64_t began = clock_now_ns(c->clock);
	struct error why = ERROR_INIT;

	for (unsigned attempt = 0;; attempt++) {
		int r = kube_list(c->client, a, kind, kind->namespaced ? ns : NULL, NULL, ret_list,
				  &why);

		if (r == -ENOENT || r == -ENOSYS) {
			*ret_list = doc_list(a);
			return 0;
		}
		if (!r)
			return 0;
		if (!transient(r) || !wait_again(c, began, attempt, 0))
			return error_set(err, r, "%s", why.msg);
	}
}

/* What to do about an API that answers, and says no. */
static int refused(int r, const struct object_kind *kind, struct error *err)
{
	struct error why = *err;

	if (r == -EACCES)
		return error_set(
			err, r,
			"%s. The objects of the whole cluster are needed: have %s made "
			"readable for this account (check: kubectl auth can-i list %s -A), "
			"or give --snapshot FILE, made by 'sidestep preflight collect FILE' "
			"with an account that may",
			why.msg, kind->plural, kind->plural);
	if (r == -EPERM)
		return error_set(
			err, r,
			"%s. The cluster does not know this account: log in again, or name "
			"another with --kubeconfig or --context",
			why.msg);
	return r;
}

int cluster_snapshot(struct cluster *c, struct snapshot *s, struct error *err)
{
	for (int id = 0; id < OBJECT_KIND_COUNT; id++) {
		const struct object_kind *kind = object_kind((enum object_kind_id)id);
		struct doc *list;
		int r;

		if (id == KIND_EVENT)
			continue;
		r = cluster_list(c, s->arena, kind, NULL, &list, err);
		if (r)
			return refused(r, kind, err);
		doc_foreach_item (list, item) {
			r = snapshot_add(s, item, err);
			if (r)
				return r;
		}
	}
	return 0;
}

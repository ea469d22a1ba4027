/* SPDX-License-Identifier: Apache-2.0 */
/* Keys with a time each; a timer for the first of them. Hundreds of keys, so a plain walk will do.
 */
#include "lib/kube/queue.h"

#include "lib/base/alloc.h"
#include "lib/base/map.h"
#include "lib/base/str.h"

struct item {
	char *key;
	uint64_t due, order;
	unsigned failures;
	bool waiting, working;
};

struct kube_queue {
	struct loop *loop;
	struct kube_queue_options options;
	struct map items;
	struct loop_timer *timer;
	unsigned working;
	uint64_t order;
	bool running; /* inside run(): work() may call back into us */
	uint32_t jitter;
};

static void run(void *arg);

struct kube_queue *kube_queue_new(struct loop *loop, const struct kube_queue_options *options)
{
	struct kube_queue *q = xcalloc(1, sizeof(*q));

	q->loop = loop;
	q->options = *options;
	if (!q->options.parallel)
		q->options.parallel = 4;
	if (!q->options.min_backoff_ns)
		q->options.min_backoff_ns = 50 * NS_PER_MS;
	if (!q->options.max_backoff_ns)
		q->options.max_backoff_ns = 30 * NS_PER_S;
	q->timer = loop_timer_new(loop, run, q);
	q->jitter = (uint32_t)loop_now_ns(loop) | 1;
	return q;
}

static void item_free(struct kube_queue *q, struct item *it)
{
	map_del(&q->items, it->key);
	free(it->key);
	free(it);
}

void kube_queue_free(struct kube_queue *q)
{
	if (!q)
		return;
	map_foreach (&q->items, e) {
		struct item *it = map_value(e);

		free(it->key);
		free(it);
	}
	map_release(&q->items);
	loop_timer_free(q->timer);
	free(q);
}

static struct item *first_due(const struct kube_queue *q)
{
	struct item *first = NULL;

	map_foreach (&q->items, e) {
		struct item *it = map_value(e);

		if (!it->waiting || it->working)
			continue;
		if (!first || it->due < first->due ||
		    (it->due == first->due && it->order < first->order))
			first = it;
	}
	return first;
}

static void arm(struct kube_queue *q)
{
	const struct item *first = q->working < q->options.parallel ? first_due(q) : NULL;
	uint64_t now = loop_now_ns(q->loop);

	if (!first)
		loop_timer_stop(q->timer);
	else
		loop_timer_set(q->timer, first->due > now ? first->due - now : 0);
}

static void run(void *arg)
{
	struct kube_queue *q = arg;
	struct item *it;

	q->running = true;
	while (q->working < q->options.parallel && (it = first_due(q)) &&
	       it->due <= loop_now_ns(q->loop)) {
		it->waiting = false;
		it->working = true;
		q->working++;
		q->options.work(q->options.arg, it->key);
	}
	q->running = false;
	arm(q);
}

void kube_queue_add_after(struct kube_queue *q, const char *key, uint64_t delay_ns)
{
	uint64_t due = loop_now_ns(q->loop) + delay_ns;
	struct item *it = map_get(&q->items, key);

	if (!it) {
		it = xcalloc(1, sizeof(*it));
		it->key = xstrdup(key);
		map_set(&q->items, key, it);
	}
	if (it->waiting && it->due <= due)
		return;
	it->waiting = true;
	it->due = due;
	it->order = q->order++;
	if (!q->running)
		arm(q);
}

void kube_queue_add(struct kube_queue *q, const char *key)
{
	kube_queue_add_after(q, key, 0);
}

static uint64_t backoff(struct kube_queue *q, unsigned failures)
{
	uint64_t ns = q->options.min_backoff_ns;

	for (unsigned i = 1; i < failures && ns < q->options.max_backoff_ns; i++)
		ns *= 2;
	if (ns > q->options.max_backoff_ns)
		ns = q->options.max_backoff_ns;
	q->jitter = q->jitter * 1664525u + 1013904223u;
	return ns - ns / 4 + (uint64_t)(q->jitter >> 8) % (ns / 2 + 1);
}

void kube_queue_done(struct kube_queue *q, const char *key, bool ok)
{
	struct item *it = map_get(&q->items, key);

	if (!it || !it->working)
		return;
	it->working = false;
	q->working--;
	if (ok) {
		it->failures = 0;
		if (!it->waiting)
			item_free(q, it);
	} else {
		it->failures++;
		/* News that came meanwhile do not shorten the back-off of what fails. */
		it->waiting = true;
		it->due = loop_now_ns(q->loop) + backoff(q, it->failures);
		it->order = q->order++;
	}
	if (!q->running)
		arm(q);
}

size_t kube_queue_length(const struct kube_queue *q)
{
	return map_count(&q->items);
}

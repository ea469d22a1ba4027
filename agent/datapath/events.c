/* SPDX-License-Identifier: Apache-2.0 */
#include <bpf/libbpf.h>
#include <string.h>

#include "agent/datapath/state.h"

/* A negative answer ends ring_buffer__consume(); the record at hand is taken all the same. */
static int take(void *ctx, void *data, size_t size)
{
	struct datapath *dp = ctx;
	struct event e;

	if (size < sizeof(e))
		return 0;
	memcpy(&e, data, sizeof(e));
	if (e.version == EVENT_VERSION)
		dp->sink.fn(dp->sink.arg, &e);
	return --dp->sink.left ? 0 : -EAGAIN;
}

static struct ring_buffer *ring_of(const struct datapath *dp)
{
	struct datapath *own = (struct datapath *)(uintptr_t)dp;

	if (!own->ring)
		own->ring = ring_buffer__new(dp->maps.fd[MAP_events], take, own, NULL);
	return own->ring;
}

int datapath_events_fd(const struct datapath *dp)
{
	struct ring_buffer *ring = ring_of(dp);

	return ring ? ring_buffer__epoll_fd(ring) : -1;
}

int datapath_events_read(struct datapath *dp, unsigned max,
			 void (*fn)(void *arg, const struct event *e), void *arg)
{
	struct ring_buffer *ring = ring_of(dp);

	if (!ring || !max)
		return 0;
	dp->sink = (struct event_sink){fn, arg, max};
	ring_buffer__consume(ring);
	return (int)(max - dp->sink.left);
}

uint64_t datapath_events_lost(struct datapath *dp)
{
	uint64_t counters[sizeof(struct event_bucket) / sizeof(uint64_t)];

	if (maps_get_sum(&dp->maps, MAP_event_bucket, 0, counters, sizeof(counters) / 8))
		return 0;
	return counters[offsetof(struct event_bucket, lost_rate) / 8] +
	       counters[offsetof(struct event_bucket, lost_full) / 8];
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/kube/lease.h - being the only one: a coordination.k8s.io/v1 Lease, held and renewed.
 *
 * Times are compared on our own clock from when we saw a change, never with the server's or the
 * holder's. A holder that cannot renew stops being one before anybody else can begin.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/kube/client.h"

struct kube_lease;

struct kube_lease_options {
	const char *namespace_, *name;
	const char *holder;   /* our identity, unique */
	uint64_t duration_ns; /* 0: 15 s */
	uint64_t deadline_ns; /* stop holding when not renewed for so long; 0: 10 s */
	uint64_t retry_ns;    /* between attempts; 0: 2 s */
};

/* on_change(arg, held, holder): we began or ceased to hold it, or another holder was seen. */
struct kube_lease *kube_lease_new(struct kube_client *client,
				  const struct kube_lease_options *options,
				  void (*on_change)(void *arg, bool held, const char *holder),
				  void *arg);
/* By the clock, so also true to a process that slept: nothing of the loop need have run. */
bool kube_lease_held(const struct kube_lease *lease);
/* Whether another holder has renewed it since we look: it lives, waiting is in vain. */
bool kube_lease_rival_lives(const struct kube_lease *lease);
/* Whether another holder was seen since we held it first, or that one has handed it back: what it
 * guards may have changed. */
bool kube_lease_taken(const struct kube_lease *lease);
/* Why the last attempt to read or write it failed: its code, with the words in err. 0: it did not.
 */
int kube_lease_why(const struct kube_lease *lease, struct error *err);
/* Until when a Lease's holder may go without renewing it, as wall time by the holder's clock; 0
 * when nobody holds it. To be shown to people, never to decide by. */
int64_t kube_lease_until_ns(const struct doc *object);
/* Stops at once. With release a held Lease is handed back: the request is started, the client must
 * live until it is done (kube_client_idle() tells). */
void kube_lease_free(struct kube_lease *lease, bool release);

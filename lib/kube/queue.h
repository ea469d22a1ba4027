/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/kube/queue.h - a queue of keys to reconcile, each at most once at a time.
 *
 * A key added while it is worked on is worked on again afterwards; a key that failed comes back
 * after a back-off of its own (50 ms doubling to 30 s, with jitter). What controllers stand on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/loop/loop.h"

struct kube_queue;

struct kube_queue_options {
	/* Begins work on key (valid until then); ends in kube_queue_done(), at once or later. */
	void (*work)(void *arg, const char *key);
	void *arg;
	unsigned parallel;       /* keys worked on at a time; 0: 4 */
	uint64_t min_backoff_ns; /* 0: 50 ms */
	uint64_t max_backoff_ns; /* 0: 30 s */
};

struct kube_queue *kube_queue_new(struct loop *loop, const struct kube_queue_options *options);
void kube_queue_free(struct kube_queue *q);
/* Soon; a key already waiting (also for a later time) is not doubled. */
void kube_queue_add(struct kube_queue *q, const char *key);
/* Not before delay_ns from now, unless added for earlier. */
void kube_queue_add_after(struct kube_queue *q, const char *key, uint64_t delay_ns);
/* The work begun for key ended; ok forgets its failures, !ok brings it back after the back-off. */
void kube_queue_done(struct kube_queue *q, const char *key, bool ok);
/* Waiting or worked on. */
size_t kube_queue_length(const struct kube_queue *q);

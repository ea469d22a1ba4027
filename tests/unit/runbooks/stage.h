/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/runbooks/stage.h - a cluster in this process for runs of runbooks: the lab's API
 * server on a fake clock, people with their own credentials, and one controller, moved by every
 * waiting.
 */
#pragma once

#include <setjmp.h>

#include "deploy/lab/apiserver/apiserver.h"
#include "runbooks/account.h"
#include "runbooks/approve.h"
#include "runbooks/run.h"

struct stage {
	struct arena arena;
	char dir[64];
	struct fake_clock clock;
	struct loop *loop;
	struct apiserver *server;
	uint16_t port;
	struct cluster cluster;
	bool idle; /* the controller does nothing: nothing comes to be so */
	int64_t drops;
};
void stage_new(struct stage *s);
void stage_free(struct stage *s);
/* A cluster as this person sees it: groups as in people[]. */
struct cluster stage_as(struct stage *s, const char *user);
void stage_tick(struct stage *s);
struct doc *stage_get(struct stage *s, enum object_kind_id kind, const char *ns, const char *name);
void stage_put(struct stage *s, const char *yaml);
void stage_patch(struct stage *s, enum object_kind_id kind, const char *ns, const char *name,
		 const char *json);
/* What runs may change, as text. */
const char *stage_state(struct stage *s, struct arena *a);

/* One process at a run: it ends by itself, or is killed at a boundary. */
struct attempt {
	struct stage *stage;
	struct cluster cluster;
	struct runner r;
	jmp_buf killed;
	int kill_at, boundary;                            /* -1: never */
	void (*at)(struct attempt *t, const char *where); /* at every boundary that is passed */
	const char *evidence;
	bool vouched_only; /* else every name counts: the stage's server vouches for none */
};
/* state: whose machine. Without a user there is no cluster. */
void attempt_open(struct attempt *t, struct stage *s, const char *user, const char *state);
void attempt_close(struct attempt *t);
/* A file of tests/unit/runbooks/books. */
struct runbook attempt_book(struct attempt *t, const char *name);
int attempt_start(struct attempt *t, const char *book, enum runbook_mode mode, struct error *err);
int attempt_find(struct attempt *t, const char *run, struct error *err);
/* false: killed. */
bool attempt_go(struct attempt *t, bool rollback, struct run_end *ret_end);
int attempt_approve(struct stage *s, const char *user, const char *run, const char *step,
		    struct error *err);

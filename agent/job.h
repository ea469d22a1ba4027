/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/job.h - one generation of a Regenerate request, as far as this node is concerned; job.c
 * does it, job_journal.c keeps it over a kill -9.
 *
 * The journal is a file of JSON lines beside the endpoints. A line is written before an endpoint is
 * regenerated and another after it. An endpoint of which only the first is there was under way when
 * the agent was killed: its generation in the kernel, which is bumped last, says to the next agent,
 * before that changes anything, whether it came to its end. So each is regenerated once, and what
 * was done is not lost. It is not synced to disk: what a power cut loses of it, the kernel has
 * lost, too.
 */
#pragma once

#include "agent/endpoint.h"
#include "lib/agentapi/regenerate.h"

/* Work of one node; more endpoints than can be on a node are no journal of ours. */
enum { JOB_MAX_RECORDS = ENDPOINT_ID_MAX };
#define JOB_JOURNAL_BYTES (64u << 20)

struct job_record {
	const char *uid; /* of the pod */
	bool begun;      /* and not ended */
	struct sidestep_request_endpoint done;
};

struct job {
	struct arena arena; /* of what records point at */
	const char *request, *uid;
	int64_t generation;
	char *path;
	int fd; /* of the journal, -1 */
	enum regenerate_state state;
	const char *message;
	uint64_t began_ns; /* loop time, in this process */
	uint64_t told_ns;  /* of the last answer */
	bool log_told;     /* the verifier's words stand in a record */
	VEC(struct job_record) records;
};

/* -EEXIST: somebody's; anything else: cannot be written. */
int job_create(struct job *job, const char *dir, const char *request, const char *uid,
	       int64_t generation, struct error *err);
/* What the file says; -EINVAL: it is no journal. A last line that is not whole was not written. */
int job_load(struct job *job, const char *path, struct error *err);
/* NULL when the endpoint has none. */
struct job_record *job_record(const struct job *job, int64_t id, const char *pod_uid);
/* Notes in the journal, and here. */
int job_begins(struct job *job, const struct agent_ep *ep, uint32_t generation, struct error *err);
int job_ends(struct job *job, struct job_record *r, const struct sidestep_request_endpoint *done,
	     struct error *err);
int job_over(struct job *job, enum regenerate_state state, const char *message, struct error *err);
/* remove: the journal goes, too. NULL is fine. */
void job_free(struct job *job, bool remove);

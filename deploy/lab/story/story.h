/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/story/story.h - the product's story on a lab, told by running the real programs.
 *
 * Traffic and intruders run from the first step to the last; every second their counts are read.
 * Each step is one row of a table: it starts programs as a user would, keeps what they print as
 * evidence, and says how it went. What was promised is judged at the end from the counts alone.
 */
#pragma once

#include "deploy/lab/counts.h"
#include "deploy/lab/kills.h"
#include "deploy/lab/lab.h"
#include "deploy/lab/options.h"
#include "lib/base/vec.h"
#include "lib/cli/progress.h"
#include "lib/doc/bind.h"
#include "lib/kube/informer.h"
#include "lib/loop/loop.h"
#include "lib/report/page.h"
#include "lib/run/cluster.h"

struct story_options {
	struct lab_options lab;
	const char *report; /* folder for report.html, .txt, .json and evidence/ */
	const char *envoy;
	const char *kubeconfig;
	const char *random;  /* seed of a generated namespace instead of the manifests', or NULL */
	const char *profile; /* NULL: the lab's own */
	const char *from;    /* VERSION=DIR of the release that agents begin with; NULL: ours */
	struct cli_list defects; /* NAME=VERSION=DIR of releases that must be stopped and undone */
	const char *no_upgrade, *no_defects; /* why there are none of these, or NULL */
	bool kills;   /* SIGKILL our own processes while the namespace moves */
	int64_t seed; /* of the kills; 0: a fresh one, printed */
	bool keep;    /* leave the lab up */
	bool clsact;
	int64_t nodes;
	uint64_t window_ns; /* how long each state is measured */
	uint64_t timeout_ns;
};

enum step_outcome {
	STORY_OK,
	STORY_FAILED,
	STORY_INCONCLUSIVE,
	STORY_SKIPPED,
	STORY_NOT_BUILT,
	STORY_NOT_DONE, /* what it takes is not here: said with the reason, and no doubt */
};
const char *step_outcome_name(enum step_outcome o);

struct story_step {
	const char *id, *title;
	enum step_outcome outcome;
	const char *words;   /* what it concluded, one sentence */
	double from_s, to_s; /* since the story began */
};

/* Totals at one second of the story. */
struct story_sample {
	double at_s;
	struct count_totals totals;
	int64_t lost;
};

/* What is measured with sidecars, without, and with them again; and at the end, for the counts. */
enum story_window {
	WINDOW_BEFORE,
	WINDOW_WITHOUT,
	WINDOW_AFTER,
	WINDOWS, /* that are compared */
	WINDOW_END = WINDOWS,
	WINDOWS_ALL,
};
struct window_figures {
	bool taken;
	bool saturated; /* the CPU was: latencies compare nothing */
	double p50_ms, p99_ms, fresh_p50_ms;
	double cpu_s, seconds;       /* of pods: CPU seconds used in so many seconds */
	double sidecar_mib, app_mib; /* PSS */
	double pod_start_s;          /* mean, from creation to Ready, -1: of none */
	int64_t pods, sidecars;
	struct count_totals totals;
};

/* What it is about: deploy/lab/story.yaml, or generated. */
struct story_subject {
	const char *namespace;    /* leaves Istio, and comes back */
	struct strings blocked;   /* must be refused, with the reason */
	struct strings reasons;   /* paths that must stand among the reasons */
	struct strings states;    /* of the machine, that its plan must go through */
	struct strings manifests; /* paths, in this order */
	struct strings revisions; /* of its configuration, by name; deploy/lab/config */
	const char *touched;      /* what somebody else makes of one of them */
	const char *runbook;      /* asked what a bad release has left */
	struct strings well;      /* its outcomes that name nothing which is left */
};

struct story {
	struct arena arena;
	const struct story_options *options;
	struct lab lab;
	struct loop *loop;
	struct cluster cluster; /* asked again while its server restarts or is slow */
	struct progress progress;
	struct story_subject subject;
	const char *namespace; /* the subject's */
	const char *evidence;  /* folder of what programs printed */
	const char *state;     /* folder of the runs' journals */
	bool interrupted;
	uint64_t began_ns;
	int64_t began_wall_ns, counting_wall_ns;
	VEC(struct story_step) steps;
	VEC(struct story_sample) samples;
	struct loop_timer *sampler;
	struct counts start;     /* at the beginning of counting */
	struct counts at_change; /* when the first change was about to be made */
	bool counting;
	struct count_totals baseline; /* before the first change: what Istio itself does */
	bool changed;                 /* the first change was made */
	struct window_figures windows[WINDOWS_ALL];
	struct doc *preflight, *verify, *plan, *timeline; /* what the tools printed, or NULL */
	struct doc *blocked_found;                        /* list */
	struct doc *upgrade;      /* from, to, endpoints ...; NULL: it was no part of it */
	struct doc *bad_releases; /* list, or NULL */
	struct doc *config;       /* revisions, conflicts ..., or NULL */
	struct doc *runbooks;     /* list, or NULL */
	struct doc *objects;      /* of the namespace before the first change, proof.h */
	pid_t tool_pid;           /* of the program that runs, 0 when none */
	struct loop_timer *chaos;
	uint64_t chaos_state;
	unsigned strikes;
	struct doc *kills; /* list of {at, what, pid}: our own programs */
	struct kube_informer *pods, *slices;
	struct kill_log hits; /* of sidecars and workloads, ours and others', as the API tells */
	kill_records agents;  /* kills of agents, which excuse nothing but a hop taken back */
};

/* Seconds since the story began. */
double story_now(const struct story *s);
/* Runs the loop for ns; -EINTR when interrupted. */
int story_rest(struct story *s, uint64_t ns, struct error *err);

/* A program's run. */
struct tool_run {
	int code; /* exit code, -1 when a signal ended it */
	int signal;
	struct strbuf out, err;
	struct doc *doc; /* standard output as JSON, NULL when it is not */
};
/*
 * Runs sidestep-NAME (beside us) and waits; keeps evidence/TITLE.out and .err. args ends with NULL.
 * -ENOENT: not built.
 */
int story_tool(struct story *s, const char *title, const char *name, const char *const *args,
	       struct tool_run *ret, struct error *err);
void tool_run_release(struct tool_run *t);
/* The last line of a program's standard error, for a sentence. */
const char *tool_last_words(struct arena *a, const struct tool_run *t);

/* Begins and ends killing (chaos.c); nothing without options->kills. */
void story_chaos_start(struct story *s);
void story_chaos_stop(struct story *s);

/*
 * watch.c: follows pods and endpoints, so that the life of what is killed is known: down, out of
 * the endpoints, Ready again. Kills that are not ours are seen in the pods' status.
 */
void story_watch_start(struct story *s);
void story_watch_stop(struct story *s);
/* A running sidecar or workload that may be killed now: Ready, never killed before, with another
 * ready endpoint beside it in each of its Services, and no earlier kill still open. False when
 * there is none. roll chooses; pid and killed_ns are left to whoever kills. */
bool story_watch_pick(struct story *s, enum kill_what what, uint64_t roll,
		      struct kill_record *ret_kill);

/* taken.c: struct counts' recent of the story's own time; before it, sidecars were still learning
 * about each other. */
struct doc *story_recent(struct story *s, const struct counts *c);
/* How many requests of that list failed within [from, to) seconds, or on an edge: those that kills
 * took, or the others. */
int64_t story_recent_count(const struct story *s, const struct doc *recent, double from, double to,
			   const struct count_edge *edge, bool by_kill);
/* What the seconds of a step have lost that no kill took, as a sentence, or NULL. recent: as above,
 * with kills; NULL while nobody knows of any. */
const char *story_losses(struct story *s, const struct doc *recent, double from, double to);
/* How many long-lived connections were lost in them, also with kills. */
int64_t story_lost_between(const struct story *s, double from, double to);
/* Every kill: of a sidecar or workload with its life and what it took (recent[].kill counts among
 * these, which come first), of our own programs what and when. */
struct doc *story_kills_doc(struct story *s);

/* From a pod's creation until it was Ready; -1: it is not, or was it more than once. */
double story_start_seconds(const struct doc *pod);
/* Measures for options->window_ns. */
int story_measure(struct story *s, enum story_window w, struct error *err);

/* page.c: a report.json as a page for somebody who was not there. The report must outlive p. */
void story_page(const struct doc *report, struct page *p);
/* The judgement; fills the report's documents and writes the three files. Exit code. */
int story_report(struct story *s, const struct counts *end, struct error *err);

int lab_demo_main(const struct cli_call *call, struct error *err);

/* SPDX-License-Identifier: Apache-2.0 */
/* What pods cost: CPU from their cgroups, memory as PSS, start time from Kubernetes' own records.
 */
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>

#include "deploy/lab/story/story.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "lib/kube/sync.h"
#include "lib/object/kinds.h"

/* "key 123" in a file of such lines; -1 when absent. */
static int64_t field_of(const char *path, const char *key)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	const char *p;

	if (io_read_file(path, LIMIT_SYSTEM_FILE_BYTES, &text, NULL) < 0)
		return -1;
	for (p = strbuf_cstr(&text); p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (str_starts(p, key) && strchr(" :\t", p[strlen(key)]))
			return strtoll(p + strlen(key) + 1, NULL, 10);
	return -1;
}

static double pods_cpu_s(const struct lab *lab)
{
	int64_t us = 0;

	for (unsigned i = 0; i < lab->n_nodes; i++) {
		auto_free char *path = xasprintf("%s/pods/cpu.stat", lab->nodes[i].cgroup);
		int64_t n = field_of(path, "usage_usec");

		us += n > 0 ? n : 0;
	}
	return (double)us / 1e6;
}

/* Jiffies of all CPUs: total and idle. */
static void machine_cpu(uint64_t *ret_total, uint64_t *ret_idle)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	uint64_t v[8] = {0};

	if (io_read_file("/proc/stat", LIMIT_SYSTEM_FILE_BYTES, &text, NULL) == 0)
		sscanf(strbuf_cstr(&text), "cpu %lu %lu %lu %lu %lu %lu %lu %lu", &v[0], &v[1],
		       &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]);
	*ret_total = 0;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		*ret_total += v[i];
	*ret_idle = v[3] + v[4];
}

/* PSS of one process in KiB; is it a sidecar? */
static void add_process(struct window_figures *f, const char *pid)
{
	auto_free char *rollup = xasprintf("/proc/%s/smaps_rollup", pid);
	auto_free char *comm = xasprintf("/proc/%s/comm", pid);
	auto_release(strbuf) struct strbuf name = STRBUF_INIT;
	int64_t kib = field_of(rollup, "Pss");

	if (kib < 0 || io_read_file(comm, 4096, &name, NULL) < 0)
		return;
	if (strstr(strbuf_cstr(&name), "envoy"))
		f->sidecar_mib += (double)kib / 1024;
	else
		f->app_mib += (double)kib / 1024;
}

static void add_procs_file(struct window_figures *f, const char *path)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	char *save = NULL;

	if (io_read_file(path, LIMIT_SYSTEM_FILE_BYTES, &text, NULL) < 0 || !text.len)
		return;
	for (char *pid = strtok_r(text.buf, "\n", &save); pid; pid = strtok_r(NULL, "\n", &save))
		add_process(f, pid);
}

/* Every cgroup.procs below a folder. */
static void add_memory(struct window_figures *f, const char *dir)
{
	auto_free char *procs = xasprintf("%s/cgroup.procs", dir);
	DIR *d = opendir(dir);
	struct dirent *e;

	add_procs_file(f, procs);
	while (d && (e = readdir(d))) {
		auto_free char *sub = NULL;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		sub = xasprintf("%s/%s", dir, e->d_name);
		add_memory(f, sub);
	}
	if (d)
		closedir(d);
}

static bool has_sidecar(const struct doc *pod)
{
	static const char *const lists[] = {"initContainers", "containers"};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		doc_foreach_item (doc_get(doc_get(pod, "spec"), lists[i]), c) {
			if (str_eq(doc_str(doc_get(c, "name")), "istio-proxy"))
				return true;
		}
	}
	return false;
}

/* Ready is told of the last time only: of a pod in which something was started again, that was not
 * its start. */
static bool restarted(const struct doc *pod)
{
	static const char *const lists[] = {"status.initContainerStatuses",
					    "status.containerStatuses"};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		doc_foreach_item (doc_find(pod, lists[i]), c) {
			if (doc_int_or(doc_get(c, "restartCount"), 0) > 0)
				return true;
		}
	}
	return false;
}

double story_start_seconds(const struct doc *pod)
{
	int64_t created, ready;

	if (restarted(pod))
		return -1;
	doc_foreach_item (doc_find(pod, "status.conditions"), c) {
		if (str_eq(doc_str(doc_get(c, "type")), "Ready") &&
		    str_eq(doc_str(doc_get(c, "status")), "True") &&
		    clock_parse_rfc3339(
			    str_or_empty(doc_find_str(pod, "metadata.creationTimestamp")),
			    &created) == 0 &&
		    clock_parse_rfc3339(str_or_empty(doc_str(doc_get(c, "lastTransitionTime"))),
					&ready) == 0)
			return (double)(ready - created) / 1e9;
	}
	return -1;
}

static int count_pods(struct story *s, struct window_figures *f, struct error *err)
{
	struct arena a = ARENA_INIT;
	struct doc *list;
	double sum = 0;
	int n = 0;
	int r = cluster_list(&s->cluster, &a, object_kind(KIND_POD), s->namespace, &list, err);

	if (!r) {
		doc_foreach_item (list, pod) {
			double start = story_start_seconds(pod);

			f->pods++;
			f->sidecars += has_sidecar(pod);
			if (start >= 0) {
				sum += start;
				n++;
			}
		}
		f->pod_start_s = n ? sum / n : -1;
	}
	arena_release(&a);
	return r;
}

/* Above this share of both CPUs busy, waiting for a CPU is part of every latency. */
#define SATURATED 0.92

static void note_counts(struct window_figures *f, const struct counts *before,
			const struct counts *after)
{
	struct counts d;

	counts_since(after, before, &d);
	f->totals = counts_total(&d);
	f->p50_ms = counts_latency_ms(&d, 0.50, NULL);
	f->p99_ms = counts_latency_ms(&d, 0.99, NULL);
	f->fresh_p50_ms = counts_latency_ms(&d, 0.50, "fresh");
	counts_release(&d);
}

int story_measure(struct story *s, enum story_window w, struct error *err)
{
	struct window_figures *f = &s->windows[w];
	auto_free char *dir = xasprintf("%s/counts", s->lab.dir);
	struct counts before = {0}, after = {0};
	uint64_t total0, idle0, total1, idle1;
	double cpu0, at;
	int r = counts_read(dir, &before, err);

	if (r < 0)
		return r;
	machine_cpu(&total0, &idle0);
	cpu0 = pods_cpu_s(&s->lab);
	at = story_now(s);
	r = story_rest(s, s->options->window_ns, err);
	if (!r)
		r = counts_read(dir, &after, err);
	if (!r)
		r = count_pods(s, f, err);
	if (!r) {
		machine_cpu(&total1, &idle1);
		f->cpu_s = pods_cpu_s(&s->lab) - cpu0;
		f->seconds = story_now(s) - at;
		f->saturated = total1 == total0 ||
			       (double)(idle1 - idle0) / (double)(total1 - total0) < 1 - SATURATED;
		note_counts(f, &before, &after);
		for (unsigned i = 0; i < s->lab.n_nodes; i++) {
			auto_free char *pods = xasprintf("%s/pods", s->lab.nodes[i].cgroup);

			add_memory(f, pods);
		}
		f->taken = true;
	}
	counts_release(&before);
	counts_release(&after);
	return r;
}

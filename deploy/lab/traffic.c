/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sidestep lab traffic`: what the lab's clients counted. Traffic runs from the moment the
 * manifests' clients run; `start` lets paused clients go on and marks now as the zero of `report`.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "deploy/lab/counts.h"
#include "deploy/lab/lab.h"
#include "deploy/lab/options.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"

/* Copies one file of counts. */
static int copy_file(const char *from, const char *to, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	int r = io_read_file(from, COUNTS_FILE_BYTES, &text, err);

	/* A client that has just come has no whole file yet: nothing counted, nothing to copy. */
	if (r == -ENOENT)
		return 0;
	return r ? r : io_write_file_atomic(to, strbuf_cstr(&text), text.len, 0644, err);
}

static int copy_counts(const char *from, const char *to, struct error *err)
{
	int r = io_remove_tree(to, err);
	DIR *dir;
	struct dirent *e;

	if (r == 0)
		r = io_mkdirs(to, 0755, err);
	dir = r == 0 ? opendir(from) : NULL;
	while (r == 0 && dir && (e = readdir(dir))) {
		auto_free char *source = xasprintf("%s/%s", from, e->d_name);
		auto_free char *target = xasprintf("%s/%s", to, e->d_name);

		if (str_ends(e->d_name, ".json"))
			r = copy_file(source, target, err);
	}
	if (dir)
		closedir(dir);
	return r;
}

int lab_traffic_start_main(const struct cli_call *call, struct error *err)
{
	const struct lab_options *o = call->opts;
	struct lab lab;
	int r = lab_load(&lab, o->lab, err);

	if (r == 0) {
		auto_free char *counts = xasprintf("%s/counts", lab.dir);
		auto_free char *zero = xasprintf("%s/counts-start", lab.dir);
		auto_free char *pause = xasprintf("%s/pause", counts);

		unlink(pause);
		r = copy_counts(counts, zero, err);
		if (r == 0)
			fprintf(call->err, "counting from now; see: sidestep lab traffic report\n");
	}
	lab_release(&lab);
	return r;
}

static void add_numbers(struct arena *a, struct doc *d, int64_t sent, int64_t ok, int64_t refused,
			int64_t missing, int64_t failed)
{
	doc_set_int(a, d, "sent", sent);
	doc_set_int(a, d, "ok", ok);
	doc_set_int(a, d, "refused", refused);
	doc_set_int(a, d, "refused_missing", missing);
	doc_set_int(a, d, "failed", failed);
}

static struct doc *report_doc(struct arena *a, const struct counts *c)
{
	struct doc *d = doc_map(a), *totals = doc_set_map(a, d, "requests"), *connections;
	struct doc *edges = doc_set_list(a, d, "edges");
	struct count_totals t = counts_total(c);

	add_numbers(a, totals, t.sent, t.ok, t.refused, t.refused_missing, t.failed);
	connections = doc_set_map(a, d, "connections");
	doc_set_int(a, connections, "long_lived", c->long_lived);
	doc_set_int(a, connections, "ended_with_pod", c->ended_with_pod);
	doc_set_int(a, connections, "lost", c->lost);
	vec_foreach (&c->edges, e) {
		struct doc *row = doc_append(a, edges, doc_map(a));

		doc_set_string(a, row, "client", e->client);
		doc_set_string(a, row, "target", e->target);
		doc_set_string(a, row, "how", e->how);
		doc_set_bool(a, row, "must_be_refused", e->refuse);
		add_numbers(a, row, e->sent, e->ok, e->refused, e->refused_missing, e->failed);
	}
	return d;
}

static void print_table(const struct counts *c, FILE *out)
{
	struct count_totals t = counts_total(c);

	fprintf(out, "%-28s %-44s %-6s %9s %9s %9s %8s %7s\n", "CLIENT", "TARGET", "HOW", "SENT",
		"OK", "REFUSED", "MISSING", "FAILED");
	vec_foreach (&c->edges, e)
		fprintf(out, "%-28s %-44s %-6s %9lld %9lld %9lld %8lld %7lld\n", e->client,
			e->target, e->how, (long long)e->sent, (long long)e->ok,
			(long long)e->refused, (long long)e->refused_missing, (long long)e->failed);
	fprintf(out, "%-28s %-44s %-6s %9lld %9lld %9lld %8lld %7lld\n", "all", "", "",
		(long long)t.sent, (long long)t.ok, (long long)t.refused,
		(long long)t.refused_missing, (long long)t.failed);
	fprintf(out, "long-lived connections: %lld, ended with their pod: %lld, lost: %lld\n",
		(long long)c->long_lived, (long long)c->ended_with_pod, (long long)c->lost);
}

static void print_report(const struct cli_call *call, int output, const struct counts *c)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct arena a = ARENA_INIT;

	if (output == 0) {
		print_table(c, call->out);
	} else if (output == 1) {
		doc_write_json(report_doc(&a, c), DOC_PRETTY, &text);
		fprintf(call->out, "%s\n", strbuf_cstr(&text));
	} else {
		doc_write_yaml(report_doc(&a, c), &text);
		fputs(strbuf_cstr(&text), call->out);
	}
	arena_release(&a);
}

int lab_traffic_report_main(const struct cli_call *call, struct error *err)
{
	const struct status_options *o = call->opts;
	struct counts now = {0}, zero = {0}, since = {0};
	struct count_totals t;
	struct lab lab;
	int r = lab_load(&lab, o->lab.lab, err);

	if (r == 0) {
		auto_free char *counts = xasprintf("%s/counts", lab.dir);
		auto_free char *start = xasprintf("%s/counts-start", lab.dir);

		r = counts_read(counts, &now, err);
		if (r == 0 && io_exists(start))
			r = counts_read(start, &zero, err);
		if (r == 0) {
			counts_since(&now, &zero, &since);
			print_report(call, o->output, &since);
			t = counts_total(&since);
			r = t.failed || t.refused_missing || since.lost ? CLI_BLOCKED : CLI_OK;
			if (!t.sent)
				r = CLI_INCONCLUSIVE;
		}
		counts_release(&since);
		counts_release(&now);
		counts_release(&zero);
	}
	lab_release(&lab);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an upgrade of the datapath costs with half a million entries: JSON on standard output.
 * Copies between conntrack layouts in both directions (counted, written and looked for) are told in
 * entries a second and in units (hits of a row of the new map by a system call in the same run), so
 * that machines compare; so are the longest batch, which is how long an event loop waits, opening
 * over everything (a start of the agent) and the memory of both layouts.
 */
#include <bpf/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "agent/datapath/maps.h"
#include "datapath/abi/conntrack_convert.h"
#include "lib/base/clock.h"
#include "lib/base/strbuf.h"
#include "lib/doc/doc.h"
#include "tests/datapath/attach/wires.h"
#include "tests/support/test.h"

#define ENTRIES    500000
#define ROOM       (1U << 20)
#define UNIT_READS 100000

static struct wires wires;

/* Processor time of this thread: who else is busy does not count. */
static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static struct conntrack_key key_of(uint32_t i)
{
	return (struct conntrack_key){
		.saddr = i * 2654435761U, .daddr = i, .sport = (__be16)i, .proto = 6};
}

static int pinned(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", wires.root, name);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	return fd;
}

/* As a release of layout 1 with a large table left it: the pins of the new one are made as large.
 */
static void fill_older(void)
{
	struct datapath *dp;
	struct meta meta;
	uint32_t zero = 0;
	char path[256];
	int fd;

	wires_open(&wires, DATAPATH_ATTACH_AUTO, &dp);
	datapath_close(dp);
	for (size_t i = 0; i < OLDER_COUNT; i++) {
		const struct map_spec *s = &older_specs[i];

		snprintf(path, sizeof(path), "%s/%s", wires.root, s->pin);
		fd = bpf_map_create(s->type, s->pin, s->key_size, s->value_size, ROOM, NULL);
		assert_true(fd >= 0);
		assert_int_equal(bpf_obj_pin(fd, path), 0);
		close(fd);
		snprintf(path, sizeof(path), "%s/%s", wires.root, map_specs[older_present[i]].pin);
		assert_int_equal(unlink(path), 0);
	}
	fd = pinned("meta_v1"); /* where it says that it ran; else rows are copied both ways */
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &meta), 0);
	meta.conntrack = 0;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &meta, BPF_ANY), 0);
	close(fd);
	fd = pinned("conntrack_v1");
	for (uint32_t i = 0; i < ENTRIES; i++) {
		struct conntrack_key key = key_of(i);
		struct conntrack_entry_v1 e = {.version = CONNTRACK_V1_VERSION,
					       .action = CONNTRACK_PEER,
					       .src_identity = i,
					       .expires = 1ULL << 40};

		assert_int_equal(bpf_map_update_elem(fd, &key, &e, BPF_ANY), 0);
	}
	close(fd);
}

/* Steps until there is nothing to do; the longest of them in *ret_longest. */
static uint64_t carry(struct datapath *dp, uint64_t *ret_longest)
{
	struct error err = ERROR_INIT;
	uint64_t began = now(), longest = 0;
	bool more = true;

	while (more) {
		uint64_t at = now();

		if (datapath_conntrack_step(dp, &more, &err))
			fail_msg("%s", err.msg);
		longest = MAX(longest, now() - at);
	}
	*ret_longest = longest;
	return now() - began;
}

static double unit(void)
{
	int fd = pinned("conntrack_v2");
	uint64_t best = UINT64_MAX;

	for (int round = 0; round < 5; round++) {
		uint64_t began = now();

		for (uint32_t i = 0; i < UNIT_READS; i++) {
			struct conntrack_key key = key_of(i);
			struct conntrack_entry e;

			assert_int_equal(bpf_map_lookup_elem(fd, &key, &e), 0);
		}
		best = MIN(best, now() - began);
	}
	close(fd);
	return (double)best / UNIT_READS;
}

static void check(const char *name)
{
	size_t size = strcmp(name, "conntrack_v1") ? sizeof(struct conntrack_entry)
						   : sizeof(struct conntrack_entry_v1);
	uint8_t value[sizeof(struct conntrack_entry_v1)];
	int fd = pinned(name);

	assert_true(size <= sizeof(value));
	for (uint32_t i = 0; i < ENTRIES; i++) {
		struct conntrack_key key = key_of(i);

		if (bpf_map_lookup_elem(fd, &key, value))
			fail_msg("entry %u is not in %s", i, name);
	}
	close(fd);
}

/* What the kernel says the map takes. */
static int64_t memory(const char *name)
{
	char path[64], line[128];
	int fd = pinned(name);
	int64_t bytes = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, "memlock:", 8) == 0)
			bytes = strtoll(line + 8, NULL, 10);
	fclose(f);
	close(fd);
	return bytes;
}

static void tell(struct arena *a, struct doc *out, const char *way, uint64_t ns, uint64_t longest,
		 double one)
{
	struct doc *d = doc_set_map(a, out, way);

	doc_set_int(a, d, "entries", ENTRIES);
	doc_set(a, d, "seconds", doc_real(a, (double)ns / NS_PER_S));
	doc_set(a, d, "entriesPerSecond", doc_real(a, ENTRIES / ((double)ns / NS_PER_S)));
	doc_set(a, d, "unitsPerEntry", doc_real(a, (double)ns / ENTRIES / one));
	doc_set(a, d, "longestBatchMs", doc_real(a, (double)longest / NS_PER_MS));
}

int main(void)
{
	struct arena a = ARENA_INIT;
	struct doc *out = doc_map(&a);
	struct error err = ERROR_INIT;
	uint64_t opened, up, down, longest_up, longest_down;
	struct strbuf text = STRBUF_INIT;
	struct datapath *dp;
	struct rusage used;
	double one;

	wires_setup(&wires, "upbench", 0);
	fill_older();
	opened = now();
	wires_open(&wires, DATAPATH_ATTACH_AUTO, &dp);
	opened = now() - opened;
	up = carry(dp, &longest_up);
	check("conntrack_v2");
	one = unit();
	assert_int_equal(datapath_finalize(dp, &err), 0);
	assert_int_equal(datapath_prepare(dp, 1, &err), 0);
	down = carry(dp, &longest_down);
	check("conntrack_v1");
	doc_set(&a, out, "unitNs", doc_real(&a, one));
	doc_set(&a, out, "openMs", doc_real(&a, (double)opened / NS_PER_MS));
	tell(&a, out, "up", up, longest_up, one);
	tell(&a, out, "down", down, longest_down, one);
	getrusage(RUSAGE_SELF, &used);
	doc_set_int(&a, out, "mostResidentBytes",
		    used.ru_maxrss * 1024); /* of the copying process */
	doc_set_int(&a, out, "bytesLayout1", memory("conntrack_v1"));
	doc_set_int(&a, out, "bytesLayout2", memory("conntrack_v2"));
	datapath_close(dp);
	doc_write_json(out, DOC_PRETTY, &text);
	puts(strbuf_cstr(&text));
	strbuf_release(&text);
	arena_release(&a);
	wires_teardown(&wires);
	return 0;
}

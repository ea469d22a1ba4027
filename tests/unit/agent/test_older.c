/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether programs of the release before are attached, where the kernel does not answer: not to
 * know is no "no". Its answers are played; with real programs it is tests/datapath/attach.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/datapath/state.h"
#include "tests/support/test.h"

/* Descriptors of the maps, and numbers; those of links and programs are 100 and more. */
enum { OURS = 10, THEIRS, ENDPOINTS, NODE, LINK = 100, PROGRAM = 200 };

static struct datapath dp;
static char root[64];
static int open_fails, info_fails, filter_fails, number_fails; /* errno; 0: they work */
static unsigned filters;                                       /* asked for */
static uint32_t knows[2]; /* maps that the attached program has */

static int answer(int code)
{
	errno = code;
	return code ? -code : 0;
}

int __wrap_bpf_obj_get(const char *path);
int __wrap_bpf_obj_get(UNUSED const char *path)
{
	return open_fails ? answer(open_fails) : dup(STDIN_FILENO);
}

int __wrap_bpf_prog_get_fd_by_id(__u32 id);
int __wrap_bpf_prog_get_fd_by_id(UNUSED __u32 id)
{
	return dup(STDIN_FILENO);
}

int __wrap_bpf_obj_get_info_by_fd(int fd, void *info, __u32 *len);
int __wrap_bpf_obj_get_info_by_fd(int fd, void *info, __u32 *len)
{
	if (*len == sizeof(struct bpf_map_info) && (fd == OURS || fd == THEIRS)) {
		((struct bpf_map_info *)info)->id = (__u32)fd;
		return answer(number_fails);
	}
	if (*len == sizeof(struct bpf_prog_info)) {
		struct bpf_prog_info *p = info;

		memcpy((void *)(uintptr_t)p->map_ids, knows, sizeof(knows));
		p->nr_map_ids = 2;
		return 0;
	}
	((struct bpf_link_info *)info)->prog_id = PROGRAM;
	return answer(info_fails);
}

int __wrap_bpf_tc_query(const struct bpf_tc_hook *hook, struct bpf_tc_opts *opts);
int __wrap_bpf_tc_query(UNUSED const struct bpf_tc_hook *hook, struct bpf_tc_opts *opts)
{
	filters++;
	opts->prog_id = PROGRAM;
	return answer(filter_fails);
}

/* One endpoint, and an overlay. */
int __wrap_bpf_map_lookup_elem(int fd, const void *key, void *value);
int __wrap_bpf_map_lookup_elem(int fd, const void *key, void *value)
{
	if (fd == NODE)
		*(struct node_config *)value = (struct node_config){.overlay_ifindex = 3};
	else if (fd == ENDPOINTS && *(const uint32_t *)key == 1)
		*(struct endpoint *)value = (struct endpoint){.ifindex = 4};
	else
		return answer(ENOENT);
	return 0;
}

static void count(void *arg, UNUSED uint32_t prog_id)
{
	++*(unsigned *)arg;
}

static int each(unsigned *ret_n)
{
	struct error err = ERROR_INIT;

	*ret_n = 0;
	return attach_each(&dp, count, ret_n, &err);
}

static int setup(UNUSED void **state)
{
	open_fails = info_fails = number_fails = 0;
	filter_fails = ENOENT;
	knows[0] = OURS;
	knows[1] = THEIRS;
	return 0;
}

TEST(what_has_gone_is_none)
{
	static const int gone[] = {ENOENT, EINVAL, ENODEV};
	unsigned n;

	assert_int_equal(each(&n), 0);
	assert_int_equal(n, 1); /* the link */
	open_fails = ENOENT;
	for (size_t i = 0; i < ARRAY_SIZE(gone); i++) {
		filter_fails = gone[i];
		filters = 0;
		assert_int_equal(each(&n), 0);
		assert_int_equal(n, 0);
		assert_int_equal(filters, 8); /* overlay and pod, four hooks */
	}
}

TEST(what_cannot_be_asked_is_an_error_and_the_others_are_asked)
{
	static const int codes[] = {EMFILE, ENOMEM, EPERM, EACCES};
	unsigned n;

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		setup(NULL);
		filter_fails = 0;
		open_fails = codes[i];
		assert_int_equal(each(&n), -codes[i]);
		assert_int_equal(n, 8);
		open_fails = 0;
		info_fails = codes[i];
		assert_int_equal(each(&n), -codes[i]);
		assert_int_equal(n, 8);
		info_fails = 0;
		filter_fails = codes[i];
		assert_int_equal(each(&n), -codes[i]);
		assert_int_equal(n, 1);
	}
}

/* Else ours would be kept, and copied over what the older release has decided. */
TEST(not_to_know_who_ran_is_an_error)
{
	struct error err = ERROR_INIT;

	open_fails = EMFILE;
	assert_int_equal(older_begin(&dp, &err), -EMFILE);
	open_fails = 0;
	filter_fails = ENOMEM;
	assert_int_equal(older_begin(&dp, &err), -ENOMEM);
	filter_fails = ENOENT;
	number_fails = ENOMEM;
	assert_true(older_begin(&dp, &err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_has_gone_is_none, setup),
		cmocka_unit_test_setup(what_cannot_be_asked_is_an_error_and_the_others_are_asked,
				       setup),
		cmocka_unit_test_setup(not_to_know_who_ran_is_an_error, setup),
	};
	char pin[128];
	FILE *f;
	int failed;

	snprintf(root, sizeof(root), "/tmp/test-older-%d", (int)getpid());
	if (mkdir(root, 0700))
		return 1;
	snprintf(pin, sizeof(pin), "%s/link_from_pod_4", root);
	f = fopen(pin, "w");
	if (!f)
		return 1;
	fclose(f);
	dp.root = root;
	maps_init(&dp.maps);
	dp.maps.fd[MAP_conntrack] = OURS;
	dp.maps.older[OLDER_conntrack] = THEIRS;
	dp.maps.fd[MAP_endpoint] = ENDPOINTS;
	dp.maps.fd[MAP_node_config] = NODE;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(pin);
	rmdir(root);
	return failed;
}

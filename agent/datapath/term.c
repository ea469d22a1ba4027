/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/datapath/term.c - the end of datagram sockets whose backend is gone: by a BPF iterator, or
 * by socket diagnosis where the kernel has no bpf_sock_destroy. Both ask the same maps.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include "agent/datapath/state.h"
#include "lib/base/macros.h"
#include "lib/base/vec.h"
#include "lib/net/sock_destroy.h"
#include "term_programs.skel.h"

static int load_iterator(struct datapath *dp, struct error *err)
{
	int code;

	dp->term = term_programs__open();
	if (!dp->term)
		return error_errno(err, -errno, "opening the program that ends sockets");
	code = load_reuse_maps(dp, dp->term->obj, err);
	if (code)
		return code;
	code = term_programs__load(dp->term);
	if (code)
		return error_errno(err, code, "loading the program that ends sockets");
	dp->term_link = bpf_program__attach_iter(dp->term->progs.end_udp, NULL);
	if (!dp->term_link)
		return error_errno(err, -errno, "an iterator over sockets");
	return 0;
}

int term_load(struct datapath *dp, enum datapath_term want, struct error *err)
{
	struct error why = ERROR_INIT;
	bool has = load_kernel_has("bpf_sock_destroy");
	int code;

	dp->term_off = want == DATAPATH_TERM_OFF;
	if (dp->term_off || want == DATAPATH_TERM_NETLINK)
		return 0;
	if (!has && want == DATAPATH_TERM_ITERATOR)
		return error_set(err, -EOPNOTSUPP,
				 "this kernel has no bpf_sock_destroy (6.5); use netlink");
	if (!has)
		return 0;
	code = load_iterator(dp, want == DATAPATH_TERM_ITERATOR ? err : &why);
	if (code && want == DATAPATH_TERM_AUTO) {
		log_info(dp->log, "sockets are ended through netlink: %s", why.msg);
		term_release(dp);
		return 0;
	}
	return code;
}

void term_release(struct datapath *dp)
{
	bpf_link__destroy(dp->term_link);
	term_programs__destroy(dp->term);
	dp->term_link = NULL;
	dp->term = NULL;
}

const char *datapath_term_mode(const struct datapath *dp)
{
	return dp->term_off ? "off" : dp->term ? "iterator" : "netlink";
}

/* Whether what a socket was balanced to is no backend of its frontend any more. */
static bool is_stale(struct datapath *dp, const struct sock_rev_key *key,
		     const struct service_backend *front)
{
	struct service_backend_key backend = {.service = {front->addr, front->port, IPPROTO_UDP, 0},
					      .backend = key->backend};
	struct service_backend_state state;

	return maps_get(&dp->maps, MAP_svc_backend, &backend, &state) == -ENOENT;
}

struct stale_keys {
	struct datapath *dp;
	VEC(struct sock_rev_key) keys;
};

static void note_stale(void *arg, const void *key, const void *value)
{
	struct stale_keys *s = arg;

	if (is_stale(s->dp, key, value))
		vec_push(&s->keys, *(const struct sock_rev_key *)key);
}

int datapath_sockets_stale(struct datapath *dp, size_t *ret_n, struct error *err)
{
	struct stale_keys s = {.dp = dp};
	int code = 0;

	if (!dp->term_off)
		code = maps_each(&dp->maps, MAP_sock_rev, note_stale, &s, err);
	if (code >= 0)
		*ret_n = s.keys.n;
	vec_release(&s.keys);
	return MIN(code, 0);
}

int datapath_sockets_forget(struct datapath *dp, struct error *err)
{
	struct stale_keys s = {.dp = dp};
	int code = maps_each(&dp->maps, MAP_sock_rev, note_stale, &s, err);

	for (size_t i = 0; code >= 0 && i < s.keys.n; i++)
		code = maps_delete(&dp->maps, MAP_sock_rev, &s.keys.items[i], err);
	vec_release(&s.keys);
	return MIN(code, 0);
}

static bool was_balanced_away(void *arg, const struct net_udp_socket *s)
{
	struct datapath *dp = arg;
	struct sock_rev_key key = {.cookie = s->cookie, .backend = {s->peer, s->peer_port, 0}};
	struct service_backend front;

	return maps_get(&dp->maps, MAP_sock_rev, &key, &front) == 0 && is_stale(dp, &key, &front);
}

/* The program writes one byte for each socket that it ended. */
static int run_iterator(struct datapath *dp, size_t *ret_ended, struct error *err)
{
	int fd = bpf_iter_create(bpf_link__fd(dp->term_link));
	char bytes[256];
	ssize_t n;

	if (fd < 0)
		return error_errno(err, fd, "starting the iterator over sockets");
	*ret_ended = 0;
	while ((n = read(fd, bytes, sizeof(bytes))) > 0 || (n < 0 && errno == EINTR))
		*ret_ended += n > 0 ? (size_t)n : 0;
	n = n < 0 ? -errno : 0;
	close(fd);
	return n ? error_errno(err, (int)n, "iterating over sockets") : 0;
}

int datapath_sockets_end(struct datapath *dp, size_t *ret_ended, struct error *err)
{
	*ret_ended = 0;
	if (dp->term_off)
		return 0;
	if (dp->term)
		return run_iterator(dp, ret_ended, err);
	return net_udp_destroy(was_balanced_away, dp, ret_ended, err);
}

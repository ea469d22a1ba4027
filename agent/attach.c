/* SPDX-License-Identifier: Apache-2.0 */
/* Pods come and go: what CNI says, what is on disk, and what it left in the queue. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "agent/agent.h"
#include "lib/base/io.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/net/netns.h"

/* A given address, or the next free one. */
static int choose_address(struct agent *agent, const struct attach_request *rq, struct agent_ep *ep,
			  struct error *err)
{
	int r;

	if (rq->addresses.n == 0)
		return ipam_take(&agent->ipam, &ep->addr, err);
	r = net_addr_parse(rq->addresses.items[0], &ep->addr, err);
	if (r < 0)
		return r;
	if (ep->addr.family != AF_INET)
		return error_set(err, -EINVAL, "%s: only IPv4 is built", rq->addresses.items[0]);
	vec_foreach (&agent->endpoints.list, it) {
		if (*it != ep && net_addr_equal(&(*it)->addr, &ep->addr))
			return error_set(err, -EEXIST, "%s is in use", rq->addresses.items[0]);
	}
	if (ipam_take_this(&agent->ipam, &ep->addr, NULL) < 0)
		ep->addr_given = true;
	return 0;
}

static int check_request(const struct attach_request *rq, const char *container, struct error *err)
{
	if (!attach_container_id_valid(container))
		return error_set(err, -EINVAL, "container id is not one");
	if (rq->host_ifindex < 1 || rq->host_ifindex > INT32_MAX)
		return error_set(err, -EINVAL, "hostIfindex is not one");
	if (rq->addresses.n > 1)
		return error_set(err, -EINVAL, "more than one address");
	return 0;
}

static uint64_t cookie_of(const char *path)
{
	auto_close int fd = -1;
	uint64_t cookie = 0;

	if (netns_open(path, &fd, NULL) == 0)
		netns_cookie(fd, &cookie, NULL);
	return cookie;
}

/* Whether the device is still the one the endpoint was made with. */
static bool device_is_there(struct agent *agent, const struct agent_ep *ep)
{
	struct net_link link;

	return net_link_get(agent->nl, ep->host_ifname, &link, NULL) == 0 &&
	       link.index == ep->ifindex;
}

/*
 * An endpoint's end: rows go with the next round, which it asks for. A device that is still there
 * keeps its programs, which without a row let nothing pass.
 */
static void drop(struct agent *agent, struct agent_ep *ep)
{
	struct error err = ERROR_INIT;

	endpoint_move(ep, ENDPOINT_STATE_DISCONNECTING, false);
	if (!ep->addr_given)
		ipam_give_back(&agent->ipam, &ep->addr);
	if (!device_is_there(agent, ep) && datapath_detach(agent->dp, ep->ifindex, &err) < 0)
		log_warn(&agent->log, "endpoint %u: %s", ep->id, err.msg);
	endpoint_forget(ep, agent->options.state_dir, NULL);
	endpoint_move(ep, ENDPOINT_STATE_DISCONNECTED, false);
	endpoints_remove(&agent->endpoints, ep);
	reconcile_soon(agent);
}

/*
 * An ADD that found no agent undoes itself, by way of the queue; who tries again names the same
 * container. What waits there was asked for before this and would take the new endpoint away.
 */
static int withdraw_deletion(struct agent *agent, const char *container, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const char *path = arena_printf(&a, "%s/%s", agent->options.queue, container);

	return unlink(path) < 0 && errno != ENOENT ? error_errno(err, -errno, "%s", path) : 0;
}

int agent_attach(struct agent *agent, const char *container, const struct attach_request *rq,
		 struct agent_ep **ret_ep, struct error *err)
{
	struct agent_ep *ep = endpoints_find_container(&agent->endpoints, container);
	int r = check_request(rq, container, err);

	if (r == 0)
		r = withdraw_deletion(agent, container, err);
	if (r < 0)
		return r;
	if (ep && ep->ifindex == (uint32_t)rq->host_ifindex) {
		*ret_ep = ep;
		reconcile_soon(agent);
		return 0;
	}
	if (ep) /* the same container with another device: the first ADD was undone */
		drop(agent, ep);
	ep = endpoints_add(&agent->endpoints, container, rq, err);
	if (!ep)
		return -EINVAL;
	ep->netns_cookie = cookie_of(rq->netns);
	r = choose_address(agent, rq, ep, err);
	/* On disk before the first row: a killed agent knows what the kernel may hold. */
	if (r == 0)
		r = endpoint_save(ep, agent->options.state_dir, err);
	if (r == 0)
		r = datapath_attach_pod(agent->dp, ep->ifindex, err);
	if (r < 0) {
		drop(agent, ep);
		return r;
	}
	log_info(&agent->log, "endpoint new id=%u pod=%s/%s device=%s", ep->id, ep->namespace,
		 ep->pod, ep->host_ifname);
	*ret_ep = ep;
	reconcile_soon(agent);
	return 0;
}

void agent_detach(struct agent *agent, const char *container)
{
	struct agent_ep *ep = endpoints_find_container(&agent->endpoints, container);
	struct net_addr addr;

	if (!ep && endpoints_forget_bad(&agent->endpoints, container, &addr) && addr.family)
		ipam_give_back(&agent->ipam, &addr);
	if (!ep)
		return;
	log_info(&agent->log, "endpoint gone id=%u pod=%s/%s", ep->id, ep->namespace, ep->pod);
	drop(agent, ep);
}

int agent_restore(struct agent *agent, struct error *err)
{
	int r = io_mkdirs(agent->options.state_dir, 0700, err);

	if (r == 0)
		r = endpoints_load(&agent->endpoints, agent->options.state_dir, err);
	if (r < 0)
		return r;
	vec_foreach (&agent->endpoints.bad, b)
		log_error(&agent->log,
			  "%s is no endpoint that this agent can read; it is kept, and its pod has "
			  "no "
			  "network until the pod is made anew",
			  b->path);
	for (size_t i = agent->endpoints.list.n; i-- > 0;) {
		struct agent_ep *ep = agent->endpoints.list.items[i];
		struct error why = ERROR_INIT;

		if (!device_is_there(agent, ep)) {
			log_info(&agent->log, "endpoint %u: its device is gone", ep->id);
			drop(agent, ep);
		} else if (datapath_attach_pod(agent->dp, ep->ifindex, &why) < 0) {
			log_error(&agent->log, "endpoint %u: %s", ep->id, why.msg);
			recovery_needed(agent, ep, why.msg);
		}
	}
	agent->vitals.restored = agent->endpoints.list.n;
	log_info(&agent->log, "endpoints restored n=%zu", agent->endpoints.list.n);
	return 0;
}

static void drain(struct agent *agent, DIR *dir)
{
	struct dirent *d;

	while ((d = readdir(dir))) {
		if (!attach_container_id_valid(d->d_name))
			continue;
		agent_detach(agent, d->d_name);
		unlinkat(dirfd(dir), d->d_name, 0);
	}
}

int agent_drain_queue(struct agent *agent, struct error *err)
{
	auto_close int lock = -1;
	DIR *dir;
	int fd, r;

	if (io_mkdirs(agent->options.queue, 0700, err) < 0)
		return -EIO;
	dir = opendir(agent->options.queue);
	if (!dir)
		return error_errno(err, -errno, "%s", agent->options.queue);
	fd = openat(dirfd(dir), ".lock", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	lock = fd;
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
		r = errno == EWOULDBLOCK
			    ? -EAGAIN
			    : error_errno(err, -errno, "lock %s/.lock", agent->options.queue);
		closedir(dir);
		return r;
	}
	drain(agent, dir);
	closedir(dir);
	return 0;
}

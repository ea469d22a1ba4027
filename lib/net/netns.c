/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/net/netns.h"

#include <fcntl.h>
#include <libgen.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/net/netlink.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define SELF "/proc/thread-self/ns/net"

int netns_open(const char *path, int *ret_fd, struct error *err)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, -errno, "network namespace %s", path);
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return error_set(err, -EINVAL, "%s is not a network namespace", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int netns_open_self(int *ret_fd, struct error *err)
{
	return netns_open(SELF, ret_fd, err);
}

int netns_enter(int fd, int *ret_back, struct error *err)
{
	auto_close int back = -1;
	int r = netns_open_self(&back, err);

	if (r < 0)
		return r;
	if (setns(fd, CLONE_NEWNET) < 0)
		return error_errno(err, -errno, "enter network namespace");
	*ret_back = TAKE_FD(back);
	return 0;
}

void netns_leave(int back)
{
	if (setns(back, CLONE_NEWNET) < 0)
		abort();
	close(back);
}

int netns_run(int fd, int (*fn)(void *arg, struct error *err), void *arg, struct error *err)
{
	int back, r = netns_enter(fd, &back, err);

	if (r < 0)
		return r;
	r = fn(arg, err);
	netns_leave(back);
	return r;
}

/* In the new namespace: loopback up, and its name on path. */
static int fill_new(const char *path, struct error *err)
{
	auto_release(netlink_ptr) struct netlink *nl = NULL;
	int r = netlink_open(-1, &nl, err);

	if (r < 0)
		return r;
	r = net_link_set_up(nl, 1, true, err);
	if (r < 0)
		return r;
	if (mount(SELF, path, NULL, MS_BIND, NULL) < 0)
		return error_errno(err, -errno, "bind network namespace to %s", path);
	return 0;
}

int netns_create(const char *path, struct error *err)
{
	auto_free char *copy = xstrdup(path);
	auto_close int fd = -1;
	int back, r = io_mkdirs(dirname(copy), 0755, err);

	if (r < 0)
		return r;
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444);
	if (fd < 0)
		return error_errno(err, -errno, "network namespace %s", path);
	r = netns_open_self(&back, err);
	if (r < 0)
		return r;
	if (unshare(CLONE_NEWNET) < 0) {
		r = error_errno(err, -errno, "new network namespace");
		close(back);
	} else {
		r = fill_new(path, err);
		netns_leave(back);
	}
	if (r < 0)
		unlink(path);
	return r;
}

int netns_delete(const char *path, struct error *err)
{
	if (umount2(path, MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
		return error_errno(err, -errno, "unmount %s", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return error_errno(err, -errno, "remove %s", path);
	return 0;
}

static int read_cookie(void *arg, struct error *err)
{
	socklen_t n = sizeof(uint64_t);
	auto_close int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (s < 0 || getsockopt(s, SOL_SOCKET, SO_NETNS_COOKIE, arg, &n) < 0)
		return error_errno(err, -errno, "network namespace cookie");
	return 0;
}

int netns_cookie(int fd, uint64_t *ret_cookie, struct error *err)
{
	uint64_t cookie = 0;
	int r = netns_run(fd, read_cookie, &cookie, err);

	if (r == 0)
		*ret_cookie = cookie;
	return r;
}

int netns_inode(int fd, uint64_t *ret_inode, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, -errno, "network namespace");
	*ret_inode = st.st_ino;
	return 0;
}

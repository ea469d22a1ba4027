/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/net/netns.h - network namespaces: made, named by a bind mount, entered for a moment.
 *
 * Entering changes the calling thread only. Sockets stay in the namespace they were opened in, so
 * the way to serve another namespace is: enter, open, leave.
 */
#pragma once

#include <stdint.h>

#include "lib/base/error.h"

/* -EINVAL for a path that is no network namespace. */
int netns_open(const char *path, int *ret_fd, struct error *err);
/* The namespace that the calling thread is in. */
int netns_open_self(int *ret_fd, struct error *err);
/* A new namespace with loopback up, kept alive by a bind mount on path (its folder is made). */
int netns_create(const char *path, struct error *err);
/* Undoes netns_create(); a path that is no mount or absent is success. */
int netns_delete(const char *path, struct error *err);
/* Moves the thread into fd; *ret_back is where it was, for netns_leave(). */
int netns_enter(int fd, int *ret_back, struct error *err);
/* Goes back and closes the descriptor. Aborts when that fails: going on elsewhere would be worse.
 */
void netns_leave(int back);
/* Runs fn(arg, err) inside fd and answers what it answered. */
int netns_run(int fd, int (*fn)(void *arg, struct error *err), void *arg, struct error *err);
/* The kernel's number for it, never reused until reboot (what socket programs see). */
int netns_cookie(int fd, uint64_t *ret_cookie, struct error *err);
/* Inode number; two descriptors of one namespace agree. */
int netns_inode(int fd, uint64_t *ret_inode, struct error *err);

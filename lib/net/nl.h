/* SPDX-License-Identifier: Apache-2.0 */
/* lib/net/nl.h - requests and answers, inside lib/net only. */
#pragma once

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "lib/net/netlink.h"

/* One request under construction, on the stack. */
struct nl_request {
	_Alignas(struct nlmsghdr) char buf[4096];
	struct nlmsghdr *nlh;
};

/* Starts a message of type with flags (NLM_F_ACK is added) and a zeroed header of that size. */
void *nl_begin(struct nl_request *rq, uint16_t type, uint16_t flags, size_t header_size);
/* Sends and waits for the kernel's verdict. what names the action in the error. */
int nl_ack(struct netlink *nl, struct nl_request *rq, struct error *err, const char *what, ...)
	PRINTF_LIKE(4, 5);
/* Sends and calls each(arg, message) for every answer until the end. each answers 0 or -errno. */
int nl_dump(struct netlink *nl, struct nl_request *rq,
	    int (*each)(void *arg, const struct nlmsghdr *nlh), void *arg, const char *what,
	    struct error *err);

/* The attributes of a message by type; those past max are left out. */
void nl_attrs(const struct nlmsghdr *nlh, size_t header_size, const struct nlattr **tb,
	      unsigned max);
/* The attribute of that type inside a nest (NULL nest allowed), or NULL. */
const struct nlattr *nl_nested(const struct nlattr *nest, uint16_t type);
/* Puts the bytes of an address (4 or 16). */
void nl_put_addr(struct nl_request *rq, uint16_t type, const struct net_addr *addr);
/* Reads an address attribute; unset for NULL or a strange length. */
struct net_addr nl_get_addr(const struct nlattr *attr, int family);
/* Grows an arena array by one: items of size bytes, n of *cap used. Returns the new item. */
void *nl_grow(struct arena *a, void **items, size_t *n, size_t *cap, size_t size);

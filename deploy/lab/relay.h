/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/relay.h - bytes from one listening socket to one server, untouched: a real API server
 * of the machine's namespace becomes reachable on the underlay, TLS and certificates as they are.
 */
#pragma once

#include <stdint.h>

#include "lib/base/log.h"
#include "lib/loop/loop.h"

struct relay;

#define RELAY_MAX_CONNECTIONS 1024
/* Bytes read from one side and not yet taken by the other. */
#define RELAY_BUFFER (256u << 10)

struct relay_options {
	const char *host; /* where to: name or address, resolved once */
	uint16_t port;
	const char *netns; /* where to listen; NULL: here */
	const char *address;
	uint16_t listen_port;  /* 0 takes a free one */
	const struct log *log; /* may be NULL */
};

int relay_new(struct loop *loop, const struct relay_options *o, struct relay **ret_relay,
	      struct error *err);
uint16_t relay_port(const struct relay *r);
/* NULL is fine. */
void relay_free(struct relay *r);

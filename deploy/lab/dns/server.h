/* SPDX-License-Identifier: Apache-2.0 */
/* server.h - the cluster's DNS server: informers on one side, UDP and TCP on the other. */
#pragma once

#include "lib/base/log.h"
#include "lib/kube/client.h"

struct dns_server;

#define DNS_MAX_CONNECTIONS 256

/* Answers SERVFAIL until Services, EndpointSlices and Namespaces are known. */
struct dns_server *dns_server_new(struct kube_client *client, const struct log *log);
/* Port 0 takes a free one, the same for UDP and TCP; *ret_port may be NULL. */
int dns_server_listen(struct dns_server *s, const char *address, uint16_t port, uint16_t *ret_port,
		      struct error *err);
void dns_server_free(struct dns_server *s);
bool dns_server_ready(const struct dns_server *s);

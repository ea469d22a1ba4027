/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/istiod/injector.h - the webhook as a server: HTTPS on 127.0.0.1, registered in the
 * cluster under its address, which stays the same over restarts.
 */
#pragma once

#include "lib/base/log.h"
#include "lib/kube/client.h"

struct injector;

struct injector_options {
	const char *dir;       /* its authority, certificate and port */
	const struct log *log; /* may be NULL */
};

int injector_new(struct kube_client *client, const struct injector_options *options,
		 struct injector **ret_injector, struct error *err);
void injector_free(struct injector *injector);

/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/lab/endpoint.h - ADDRESS:PORT as roles' options write it. */
#pragma once

#include <stdint.h>

#include "lib/base/error.h"

struct endpoint {
	char address[64];
	uint16_t port;
};

/* "127.0.0.1:6443", "[::1]:6443" (then without brackets). -EINVAL. */
int endpoint_parse(const char *text, struct endpoint *ret, struct error *err);

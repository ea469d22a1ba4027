/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/endpoint.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"

int endpoint_parse(const char *text, struct endpoint *ret, struct error *err)
{
	const char *colon = text ? strrchr(text, ':') : NULL;
	struct endpoint e;
	uint64_t port;
	int n, r;

	if (!colon)
		return error_set(err, -EINVAL, "\"%s\": want ADDRESS:PORT", str_or_empty(text));
	n = (int)(colon - text);
	if (*text == '[' && n >= 2 && colon[-1] == ']') {
		text++;
		n -= 2;
	}
	if (n < 1 || n >= (int)sizeof(e.address))
		return error_set(err, -EINVAL, "\"%s\": want ADDRESS:PORT", text);
	r = str_to_u64(colon + 1, 0, 65535, &port, "port", err);
	if (r)
		return r;
	snprintf(e.address, sizeof(e.address), "%.*s", n, text);
	e.port = (uint16_t)port;
	*ret = e;
	return 0;
}

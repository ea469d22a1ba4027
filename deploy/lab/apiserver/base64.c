/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t n, struct strbuf *out)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)p[i] << 16;

		if (i + 1 < n)
			v |= (unsigned)p[i + 1] << 8;
		if (i + 2 < n)
			v |= p[i + 2];
		strbuf_addc(out, digits[v >> 18]);
		strbuf_addc(out, digits[v >> 12 & 63]);
		strbuf_addc(out, i + 1 < n ? digits[v >> 6 & 63] : '=');
		strbuf_addc(out, i + 2 < n ? digits[v & 63] : '=');
	}
}

bool base64_decode(const char *text, struct strbuf *out)
{
	unsigned v = 0, bits = 0;
	bool ended = false;

	for (; *text; text++) {
		const char *d;

		if (*text == '\n' || *text == '\r')
			continue;
		if (*text == '=') {
			ended = true;
			continue;
		}
		d = strchr(digits, *text);
		if (!d || ended)
			return false;
		v = (v << 6 | (unsigned)(d - digits)) & 0xffffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			strbuf_addc(out, (char)(v >> bits & 0xff));
		}
	}
	return bits < 6;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/base64.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t n, struct strbuf *out)
{
	const unsigned char *in = data;

	strbuf_grow(out, n / 3 * 4 + 5);
	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)in[i] << 16;
		size_t have = n - i;

		if (have > 1)
			v |= (uint32_t)in[i + 1] << 8;
		if (have > 2)
			v |= in[i + 2];
		strbuf_addc(out, alphabet[v >> 18]);
		strbuf_addc(out, alphabet[v >> 12 & 63]);
		strbuf_addc(out, have > 1 ? alphabet[v >> 6 & 63] : '=');
		strbuf_addc(out, have > 2 ? alphabet[v & 63] : '=');
	}
}

/* 0..63, 64 for padding, 65 for white space, -1 for anything else. */
static int digit(char c)
{
	const char *at;

	if (c == '=')
		return 64;
	if (c == ' ' || c == '\n' || c == '\r' || c == '\t')
		return 65;
	at = c ? strchr(alphabet, c) : NULL;
	return at ? (int)(at - alphabet) : -1;
}

int base64_decode(const char *text, size_t n, struct strbuf *out)
{
	size_t before = out->len, digits = 0, padding = 0;
	uint32_t v = 0;

	for (size_t i = 0; i < n; i++) {
		int d = digit(text[i]);

		if (d == 65)
			continue;
		if (d < 0 || (d < 64 && padding))
			goto broken;
		padding += d == 64;
		v = v << 6 | (d == 64 ? 0 : (uint32_t)d);
		if (++digits % 4)
			continue;
		if (padding > 2)
			goto broken;
		strbuf_addc(out, (char)(v >> 16));
		if (padding < 2)
			strbuf_addc(out, (char)(v >> 8));
		if (padding < 1)
			strbuf_addc(out, (char)v);
		v = 0;
	}
	if (digits % 4 == 0 && padding <= 2)
		return 0;
broken:
	out->len = before;
	if (out->buf)
		out->buf[before] = '\0';
	return -EINVAL;
}

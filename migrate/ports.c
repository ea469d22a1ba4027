/* SPDX-License-Identifier: Apache-2.0 */
#include "migrate/ports.h"

#include <string.h>

#include "lib/base/str.h"

void port_set_all(struct port_set *s)
{
	memset(s->bits, 0xff, sizeof(s->bits));
}

void port_set_none(struct port_set *s)
{
	memset(s->bits, 0, sizeof(s->bits));
}

void port_set_add(struct port_set *s, uint16_t port)
{
	s->bits[port / 64] |= 1ull << (port % 64);
}

bool port_set_has(const struct port_set *s, uint16_t port)
{
	return s->bits[port / 64] >> (port % 64) & 1;
}

bool port_set_empty(const struct port_set *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->bits); i++)
		if (s->bits[i])
			return false;
	return true;
}

bool port_set_equal(const struct port_set *a, const struct port_set *b)
{
	return memcmp(a->bits, b->bits, sizeof(a->bits)) == 0;
}

void port_set_and(struct port_set *s, const struct port_set *with)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->bits); i++)
		s->bits[i] &= with->bits[i];
}

void port_set_or(struct port_set *s, const struct port_set *with)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->bits); i++)
		s->bits[i] |= with->bits[i];
}

void port_set_minus(struct port_set *s, const struct port_set *without)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->bits); i++)
		s->bits[i] &= ~without->bits[i];
}

bool port_set_parse(struct port_set *s, const struct strings *ports)
{
	bool all = true;
	uint64_t port;

	for (size_t i = 0; i < ports->n; i++) {
		if (str_to_u64(ports->items[i], 0, UINT16_MAX, &port, "port", NULL) == 0)
			port_set_add(s, (uint16_t)port);
		else
			all = false;
	}
	return all;
}

bool port_set_next(const struct port_set *s, uint32_t *first, uint32_t *last)
{
	uint32_t p = *first;

	while (p <= UINT16_MAX && !port_set_has(s, (uint16_t)p))
		p++;
	if (p > UINT16_MAX)
		return false;
	*first = p;
	while (p < UINT16_MAX && port_set_has(s, (uint16_t)(p + 1)))
		p++;
	*last = p;
	return true;
}

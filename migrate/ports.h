/* SPDX-License-Identifier: Apache-2.0 */
/* migrate/ports.h - a set of port numbers, as bits. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/doc/bind.h"

struct port_set {
	uint64_t bits[1024];
};

void port_set_all(struct port_set *s);
void port_set_none(struct port_set *s);
void port_set_add(struct port_set *s, uint16_t port);
bool port_set_has(const struct port_set *s, uint16_t port);
bool port_set_empty(const struct port_set *s);
bool port_set_equal(const struct port_set *a, const struct port_set *b);
void port_set_and(struct port_set *s, const struct port_set *with);
void port_set_or(struct port_set *s, const struct port_set *with);
void port_set_minus(struct port_set *s, const struct port_set *without);
/* Adds what Istio wrote ("80"); false when one is no port (the others are added). */
bool port_set_parse(struct port_set *s, const struct strings *ports);
/* The next run of ports at or after *first; false when there is none. */
bool port_set_next(const struct port_set *s, uint32_t *first, uint32_t *last);

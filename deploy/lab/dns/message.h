/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message.h - DNS messages (RFC 1035): one question in, an answer out. Names are lower case text
 * without the last dot.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/strbuf.h"

enum dns_type { DNS_A = 1, DNS_CNAME = 5, DNS_SOA = 6, DNS_AAAA = 28, DNS_SRV = 33, DNS_OPT = 41 };
enum dns_code { DNS_OK = 0, DNS_FORMAT = 1, DNS_FAILED = 2, DNS_NO_NAME = 3, DNS_NOT_DONE = 4 };

#define DNS_NAME_MAX    255
#define DNS_ANSWERS_MAX 512
#define DNS_UDP_PLAIN   512  /* without EDNS */
#define DNS_UDP_MAX     1232 /* with it, whatever the client offers */
#define DNS_TCP_MAX     65535

struct dns_query {
	uint16_t id, type, class;
	unsigned opcode;
	bool recursion_desired, edns;
	size_t udp_size; /* the largest answer the client takes */
	char name[DNS_NAME_MAX + 1];
};

struct dns_answer {
	enum dns_code code;
	bool authoritative;
	char alias[DNS_NAME_MAX + 1]; /* CNAME; "" when there is none */
	uint8_t (*addresses)[4];      /* A records */
	size_t n;
	const char *zone; /* owner of the SOA record of a negative answer; NULL for none */
	uint32_t ttl;
};

/* False for what is no query with one question (then *ret holds what could be read, id first). */
bool dns_parse(const uint8_t *data, size_t n, struct dns_query *ret);
/* Appends the answer; when it is longer than limit, an empty one with the truncated bit. */
void dns_write(const struct dns_query *q, const struct dns_answer *answer, size_t limit,
	       struct strbuf *out);

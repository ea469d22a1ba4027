/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/flow/filter.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"

static const char *const nouns[FLOW_FIELD_COUNT] = {
#define NOUN_ROW(name, noun, what) noun,
	FOREACH_FLOW_FIELD(NOUN_ROW)
#undef NOUN_ROW
};
static const char *const wants[FLOW_FIELD_COUNT] = {
#define WANT_ROW(name, noun, what) what,
	FOREACH_FLOW_FIELD(WANT_ROW)
#undef WANT_ROW
};

void flow_filter_release(struct flow_filter *f)
{
	free(f->terms);
	*f = (struct flow_filter)FLOW_FILTER_INIT;
}

static bool number(const char *s, uint64_t max, uint32_t *ret_n)
{
	uint64_t n;

	if (str_to_u64(s, 0, max, &n, "value", NULL))
		return false;
	*ret_n = (uint32_t)n;
	return true;
}

static bool parse_identity(const char *s, uint32_t *ret_n)
{
	if (number(s, UINT32_MAX, ret_n))
		return true;
	if (str_starts(s, "reserved:"))
		s += strlen("reserved:");
	for (uint32_t i = 0; flow_reserved_identity(i); i++) {
		if (!strcasecmp(s, flow_reserved_identity(i))) {
			*ret_n = i;
			return true;
		}
	}
	return false;
}

static bool parse_protocol(const char *s, uint32_t *ret_n)
{
	static const struct {
		const char *name;
		uint32_t number;
	} known[] = {{"tcp", IPPROTO_TCP},
		     {"udp", IPPROTO_UDP},
		     {"icmp", IPPROTO_ICMP},
		     {"icmpv4", IPPROTO_ICMP},
		     {"sctp", IPPROTO_SCTP}};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (!strcasecmp(s, known[i].name)) {
			*ret_n = known[i].number;
			return true;
		}
	}
	return number(s, 255, ret_n);
}

/* A number below n whose name is s, by the function that names numbers. */
static bool parse_name(const char *s, const char *(*name)(uint8_t), uint32_t n, uint32_t *ret_n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!strcasecmp(s, name((uint8_t)i))) {
			*ret_n = i;
			return true;
		}
	}
	return false;
}

static bool parse_reason(const char *s, uint32_t *ret_n)
{
	for (uint32_t i = REASON_FIRST_DROP; i < REASON_COUNT; i++) {
		if (!strcasecmp(s, flow_reason_name((uint8_t)i)) ||
		    !strcasecmp(s, flow_reason_text((uint8_t)i))) {
			*ret_n = i;
			return true;
		}
	}
	return number(s, 255, ret_n);
}

static bool parse_term(struct flow_term *t)
{
	switch (t->field) {
	case FLOW_IDENTITY:
		return parse_identity(t->value, &t->number);
	case FLOW_IP:
		return !net_cidr_parse(t->value, &t->block, NULL);
	case FLOW_PORT:
		return number(t->value, 65535, &t->number);
	case FLOW_PROTOCOL:
		return parse_protocol(t->value, &t->number);
	case FLOW_VERDICT:
		return parse_name(t->value, flow_verdict_name, VERDICT_COUNT, &t->number);
	case FLOW_TYPE:
		return parse_name(t->value, flow_type_name, 8, &t->number);
	case FLOW_REASON:
		return parse_reason(t->value, &t->number);
	case FLOW_NAMESPACE:
	case FLOW_POD:
	case FLOW_LABEL:
	case FLOW_WORKLOAD:
	case FLOW_FIELD_COUNT:
		break;
	}
	return !str_empty(t->value);
}

int flow_filter_add(struct flow_filter *f, enum flow_field field, enum flow_side side,
		    const char *value, struct error *err)
{
	struct flow_term t = {.field = field, .side = side, .value = value};

	if (!parse_term(&t))
		return error_set(err, -EINVAL, "%s \"%s\": want %s", nouns[field], value,
				 wants[field]);
	if (f->n == f->cap) {
		f->cap = f->cap ? f->cap * 2 : 8;
		f->terms = xreallocarray(f->terms, f->cap, sizeof(*f->terms));
	}
	f->terms[f->n++] = t;
	return 0;
}

/* "web-1" or a prefix of it, or the same behind "namespace/". */
static bool pod_matches(const struct flow_end *end, const char *want)
{
	const char *slash = strchr(want, '/');

	if (!end->pod)
		return false;
	if (!slash)
		return str_starts(end->pod, want);
	return end->namespace && strlen(end->namespace) == (size_t)(slash - want) &&
	       !strncmp(end->namespace, want, (size_t)(slash - want)) &&
	       str_starts(end->pod, slash + 1);
}

/* Labels carry a source ("k8s:"), which need not be said. */
static bool label_matches(const char *label, const char *want)
{
	const char *bare = strchr(label, ':');
	size_t n = strlen(want);

	for (const char *l = label; l; l = l == label && bare ? bare + 1 : NULL)
		if (!strncmp(l, want, n) && (!l[n] || (l[n] == '=' && !strchr(want, '='))))
			return true;
	return false;
}

static bool labels_match(const struct flow_end *end, const char *want)
{
	for (size_t i = 0; i < end->labels.n; i++)
		if (label_matches(end->labels.items[i], want))
			return true;
	return false;
}

static bool end_matches(const struct flow_term *t, const struct flow_end *end)
{
	switch (t->field) {
	case FLOW_NAMESPACE:
		return str_eq(end->namespace, t->value);
	case FLOW_POD:
		return pod_matches(end, t->value);
	case FLOW_LABEL:
		return labels_match(end, t->value);
	case FLOW_IDENTITY:
		return end->identity == t->number;
	case FLOW_IP:
		return net_cidr_contains(&t->block, &end->addr);
	case FLOW_PORT:
		return end->port == t->number;
	case FLOW_WORKLOAD:
		return str_eq(end->workload, t->value);
	case FLOW_PROTOCOL:
	case FLOW_VERDICT:
	case FLOW_TYPE:
	case FLOW_REASON:
	case FLOW_FIELD_COUNT:
		break;
	}
	return false;
}

static bool term_matches(const struct flow_term *t, const struct flow *f)
{
	switch (t->field) {
	case FLOW_PROTOCOL:
		return f->proto == t->number;
	case FLOW_VERDICT:
		return f->verdict == t->number;
	case FLOW_TYPE:
		return f->type == t->number;
	case FLOW_REASON:
		return f->reason == t->number;
	case FLOW_NAMESPACE:
	case FLOW_POD:
	case FLOW_LABEL:
	case FLOW_IDENTITY:
	case FLOW_IP:
	case FLOW_PORT:
	case FLOW_WORKLOAD:
	case FLOW_FIELD_COUNT:
		break;
	}
	return (t->side != FLOW_TO && end_matches(t, &f->source)) ||
	       (t->side != FLOW_FROM && end_matches(t, &f->destination));
}

bool flow_matches(const struct flow_filter *f, const struct flow *flow)
{
	for (size_t i = 0; i < f->n; i++) {
		bool met = false;

		for (size_t j = 0; j < f->n; j++)
			if (f->terms[j].field == f->terms[i].field &&
			    f->terms[j].side == f->terms[i].side)
				met |= term_matches(&f->terms[j], flow);
		if (!met)
			return false;
	}
	return true;
}

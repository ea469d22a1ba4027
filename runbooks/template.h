/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runbooks/template.h - text with ${expression} in it: titles, filters, arguments.
 *
 * A template makes one string. It is never split into words and never read by a shell: an argument
 * of a command stays one argument whatever its parts hold. "$$" is a dollar sign.
 */
#pragma once

#include "runbooks/expr.h"

#define TEMPLATE_MAX_BYTES 16384u
#define TEMPLATE_MAX_PARTS 64u

struct template_part {
	const char *text;        /* literal, or NULL */
	const struct expr *expr; /* of ${...}, or NULL */
};

struct template
{
	struct template_part *parts;
	size_t n;
};

/* -EINVAL or -E2BIG: "column N: ..." of the text. */
int template_parse(struct arena *a, const char *text, struct template *ret_template,
		   struct error *err);
/*
 * A string, or unknown with the reason: a part is unknown, a list or a map. Durations are written
 * as "90s", numbers as JSON has them.
 */
struct expr_value template_render(struct arena *a, const struct template *t,
				  const struct doc *data);
/* The text has a ${...}. */
bool template_is_one(const char *text);

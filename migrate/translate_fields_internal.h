/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate/translate_fields_internal.h - what the classification's files share: the walk over an
 * object's fields (translate_fields.c), the tables that say what a field becomes
 * (translate_tables.c), and what concerns the namespace but stands in no field
 * (translate_unwritten.c).
 */
#pragma once

#include "migrate/translate_internal.h"

/* One object being walked. */
struct walk {
	struct translator *t;
	const char *object;
	const struct object_meta *meta;
	const struct field_table *table; /* of its kind */
};

struct field_row {
	const char *pattern; /* "[]" any item, "*" any key; "..." at the end: everything below */
	enum field_class class;
	const char *waiver;
	const char *reason;
	/* Looks at the value itself; returns false to leave the row's own verdict. */
	bool (*look)(struct walk *w, const struct field_row *row, const char *path,
		     const struct doc *node);
};

/* The first row that fits a path decides; a path that none fits is blocked. */
struct field_table {
	const struct field_row *rows;
	size_t n;
};
/* Of the kind that each is named after. */
extern const struct field_table fields_peer, fields_authorization, fields_destination,
	fields_virtual, fields_sidecar, fields_telemetry;
/* An AuthorizationPolicy that only logs; what is blocked as a whole. */
extern const struct field_table fields_audit, fields_blocked;

/* Whether anybody enforces the objects at all. */
void unwritten_enforcement(struct translator *t);
/* What labels cannot tell apart, and what every sidecar does unasked. */
void unwritten_rest(struct translator *t);

/* SPDX-License-Identifier: Apache-2.0 */
/* Any YAML through a table with every kind of row: decoding, unknown fields, and encode as its
 * inverse. */
#include "lib/doc/bind.h"
#include "tests/fuzz/fuzz.h"

struct leaf {
	int64_t number;
	int kind;
};

struct tree {
	const char *name;
	bool flag;
	int32_t small;
	double real;
	struct opt_bool maybe;
	struct opt_int count;
	struct int_or_string port;
	struct strings words;
	struct strmap labels;
	const struct doc *raw;
	struct leaf leaf, *pointed, *leaves;
	size_t n_leaves;
};

static const char *const kinds[] = {NULL, "one", "two", NULL};

static const struct bind_field leaf_fields[] = {
	BIND_RANGE(struct leaf, number, "number", BIND_INT64, BIND_REQUIRED, -5, 70000),
	BIND_NAMED(struct leaf, kind, "kind", 0, kinds),
};
static BIND_TABLE(leaf_table, struct leaf, leaf_fields);

static const struct bind_field tree_fields[] = {
	BIND(struct tree, name, "m.name", BIND_STRING, BIND_NON_EMPTY),
	BIND(struct tree, flag, "m.flag", BIND_BOOL, 0),
	BIND(struct tree, small, "small", BIND_INT32, 0),
	BIND(struct tree, real, "real", BIND_REAL, 0),
	BIND(struct tree, maybe, "maybe", BIND_OPT_BOOL, 0),
	BIND(struct tree, count, "count", BIND_OPT_INT, 0),
	BIND(struct tree, port, "port", BIND_INT_OR_STRING, 0),
	BIND(struct tree, words, "words", BIND_STRINGS, 0),
	BIND(struct tree, labels, "m.labels", BIND_STRMAP, 0),
	BIND(struct tree, raw, "raw", BIND_DOC, 0),
	BIND_NESTED(struct tree, leaf, "leaf", BIND_STRUCT, 0, &leaf_table),
	BIND_NESTED(struct tree, pointed, "pointed", BIND_PTR, 0, &leaf_table),
	BIND_ITEMS(struct tree, leaves, "leaves", 0, &leaf_table),
};
static BIND_TABLE(tree_table, struct tree, tree_fields);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA_INIT;
	struct bind_unknown unknown = {.arena = &a};
	struct doc_stream s = {0};
	struct tree t, again;
	struct error err = ERROR_INIT;

	if (doc_read_yaml(&a, (const char *)data, n, "fuzz", &s, NULL) == 0 && s.n > 0) {
		if (bind_decode(&a, &tree_table, s.docs[0], "", &t, &unknown, &err) == 0) {
			struct doc *out = bind_encode(&a, &tree_table, &t);

			fuzz_check(bind_decode(&a, &tree_table, out, "", &again, NULL, NULL) == 0);
			fuzz_check(doc_equal(out, bind_encode(&a, &tree_table, &again)));
		} else {
			fuzz_check(err.msg[0]);
		}
	}
	arena_release(&a);
	return 0;
}

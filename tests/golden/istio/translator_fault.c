/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translator-fault FOLDER... NAMESPACE [NUMBER] - the good policies of the namespace, or those of a
 * faulty translator, and the counterexamples that verify finds, as JSON. For
 * tests/system/counterexamples.py; not installed.
 */
#include <stdio.h>

#include "lib/base/str.h"
#include "migrate/verify.h"
#include "tests/support/translator_faults.h"

static int make(struct arena *a, int argc, char **argv, struct doc *out, struct error *err)
{
	uint64_t number = 0;
	bool spoil = str_to_u64(argv[argc - 1], 0, n_translator_faults - 1, &number, "", NULL) == 0;
	const char *ns = argv[argc - 1 - spoil];
	struct snapshot s;
	struct istio_mesh m;
	struct translation t;
	struct equivalence e;
	struct doc *list;
	int r = 0;

	snapshot_init(&s, a);
	for (int i = 1; i < argc - 1 - (int)spoil && r == 0; i++)
		r = snapshot_read(&s, argv[i], err);
	if (r == 0)
		istio_mesh_load(&m, a, &s);
	if (r == 0)
		r = translate_namespace(&t, a, &m, ns, err);
	if (r == 0 && spoil && !translator_faults[number].spoil(a, t.policies, &t.n_policies))
		r = error_set(err, -1, "nothing to spoil");
	if (r == 0)
		r = verify_namespace(&e, a, &m, &s, t.policies, t.n_policies, ns, err);
	snapshot_release(&s);
	if (r < 0)
		return r;
	doc_set_int(a, out, "faults", (int64_t)n_translator_faults);
	if (spoil) {
		doc_set_string(a, out, "name", translator_faults[number].name);
		doc_set_bool(a, out, "widens", translator_faults[number].widens);
	}
	list = doc_set_list(a, out, "policies");
	for (size_t i = 0; i < t.n_policies; i++)
		doc_append(a, list, t.policies[i]);
	doc_set(a, out, "equivalence", equivalence_doc(a, &e));
	return 0;
}

int main(int argc, char **argv)
{
	struct arena a = ARENA_INIT;
	struct strbuf text = STRBUF_INIT;
	struct error err = ERROR_INIT;
	struct doc *out = doc_map(&a);
	int r;

	if (argc < 3) {
		fprintf(stderr, "usage: translator-fault FOLDER... NAMESPACE [NUMBER]\n");
		return 64;
	}
	r = make(&a, argc, argv, out, &err);
	if (r < 0) {
		fprintf(stderr, "translator-fault: %s\n", err.msg);
	} else {
		doc_write_json(out, DOC_COMPACT, &text);
		puts(strbuf_cstr(&text));
	}
	strbuf_release(&text);
	arena_release(&a);
	return r < 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A kubeconfig; what is taken must come back the same from its own written form. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "lib/base/str.h"
#include "lib/kube/config.h"

static void check_round(struct arena *a, const struct kube_config *c)
{
	struct kube_config back;

	if (kube_config_from_doc(a, kube_config_to_doc(a, c, "x"), "", NULL, &back, NULL))
		abort();
	if (!str_eq(c->server, back.server) || !str_eq(c->token, back.token) ||
	    !str_eq(c->namespace_, back.namespace_))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_INIT;
	struct doc_stream stream;
	struct kube_config c;

	if (doc_read_yaml(&a, (const char *)data, size, NULL, &stream, NULL) == 0)
		for (size_t i = 0; i < stream.n; i++)
			/* No file of this machine is read: names lead into a folder that is not. */
			if (kube_config_from_doc(&a, stream.docs[i], "/nonexistent", NULL, &c,
						 NULL) == 0)
				check_round(&a, &c);
	arena_release(&a);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* agent/cli/bpf_rows.h - rows of pinned maps as documents, one function a map. */
#pragma once

#include "agent/datapath/maps.h"
#include "lib/doc/doc.h"

/* What turning rows into documents needs besides the row. */
struct row_reader {
	struct arena *arena;
	struct doc *list; /* rows are appended here */
	const struct maps *maps;
	uint32_t hz;
	uint64_t now;     /* jiffies */
	bool unanswered;  /* conntrack rows come from ct_new */
	uint32_t sets[2]; /* policy rows: only these, unless both are 0 */
};

void row_endpoint(void *arg, const void *key, const void *value);
void row_policy(void *arg, const void *key, const void *value);
void row_conntrack(void *arg, const void *key, const void *value);
void row_service(void *arg, const void *key, const void *value);
void row_ipcache(void *arg, const void *key, const void *value);
void row_traffic(void *arg, const void *key, const void *value);

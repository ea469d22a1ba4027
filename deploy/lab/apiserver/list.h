/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list.h - lists: selection, pages, versions.
 *
 * A list may be asked for as it was at an older version (resourceVersionMatch=Exact, and every page
 * after the first): history is played backwards, and where it does not reach, the answer is 410.
 */
#pragma once

#include "deploy/lab/apiserver/request.h"

struct list_page {
	struct revision **items; /* each counted */
	size_t n;
	uint64_t version;
	const char *next;   /* continue token, NULL on the last page */
	uint64_t remaining; /* after this page; only without selectors */
	bool has_remaining;
};

int list_select(struct request *r, const struct list_query *q, struct list_page *ret);
void list_page_release(struct list_page *p);
/* The List object. */
struct doc *list_document(struct request *r, const struct list_page *p);
/* Whether object belongs into the answer of this request. */
bool list_wants(const struct request *r, const struct list_query *q, const struct revision *rev);

/* GET of one, GET of many. */
void list_get(struct request *r);
void list_list(struct request *r);

/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/review.h"

#include "lib/base/str.h"

static struct doc *all(struct arena *a, struct doc *rule, const char *key)
{
	return doc_append(a, doc_set_list(a, rule, key), doc_string(a, "*"));
}

/* Everything, on everything. */
static void allow_all_rules(struct arena *a, struct doc *status)
{
	static const char *const keys[] = {"verbs", "apiGroups", "resources"};
	struct doc *rule = doc_append(a, doc_set_list(a, status, "resourceRules"), doc_map(a));

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		all(a, rule, keys[i]);
	rule = doc_append(a, doc_set_list(a, status, "nonResourceRules"), doc_map(a));
	all(a, rule, "verbs");
	all(a, rule, "nonResourceURLs");
	doc_set_bool(a, status, "incomplete", false);
}

static void who_am_i(struct request *r, struct doc *status)
{
	struct arena *a = &r->arena;
	struct doc *info = doc_set_map(a, status, "userInfo"), *groups;

	doc_set_string(a, info, "username", r->user);
	groups = doc_set_list(a, info, "groups");
	for (size_t i = 0; r->groups && r->groups[i]; i++)
		doc_append(a, groups, doc_string(a, r->groups[i]));
}

void review_create(struct request *r)
{
	struct arena *a = &r->arena;
	struct doc *d = NULL, *status;

	if (r->verb != VERB_CREATE) {
		refuse(&r->refusal, 405, "MethodNotAllowed",
		       "the server does not allow this method on the requested resource");
		request_reply_refusal(r);
		return;
	}
	if (request_body(r, &d)) {
		request_reply_refusal(r);
		return;
	}
	if (!d || d->kind != DOC_MAP)
		d = doc_map(a);
	doc_set_string(a, d, "kind", r->res->kind);
	doc_set_string(a, d, "apiVersion", resource_api_version(a, r->res));
	status = doc_map(a);
	doc_set(a, d, "status", status);
	if (str_eq(r->res->kind, "SelfSubjectReview")) {
		who_am_i(r, status);
	} else if (str_eq(r->res->kind, "SelfSubjectRulesReview")) {
		allow_all_rules(a, status);
	} else {
		doc_set_bool(a, status, "allowed", true);
		doc_set_string(a, status, "reason",
			       "the lab allows everything to everyone it knows");
	}
	request_reply_doc(r, 201, d);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/istiod/review.h - the answer to an AdmissionReview, and the webhook configuration that
 * leads the API server to ask. Pure.
 *
 * The four webhooks and their selectors are those of Istio's chart (istio-control/
 * istio-discovery/templates/mutatingwebhook.yaml), so what inventory and preflight read here is
 * what they read in a cluster.
 */
#pragma once

#include "lib/istio/inject.h"

struct review_options {
	struct istio_injector injector;
	struct istio_inject_options inject;
};
/* The revision "default", sidecars in the native form, the lab's images. */
void review_defaults(struct review_options *o);

/* The namespace the review is about; NULL when it is no AdmissionReview of a pod. */
const char *review_namespace(const struct doc *review);
/* The AdmissionReview to send back; -EINVAL when review is none. ns: the Namespace, or NULL. */
int review_answer(struct arena *a, const struct doc *review, const struct doc *ns,
		  const struct review_options *o, struct doc **ret_answer, struct error *err);
/* MutatingWebhookConfiguration "istio-sidecar-injector". */
struct doc *review_webhooks(struct arena *a, const char *url, const char *ca_pem);

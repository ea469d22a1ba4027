/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/kube/scripted.h - a server on a unix socket that answers by a script, line for line.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/http/server.h"
#include "lib/kube/client.h"

/* One answer, in the order of the requests. */
struct scripted_answer {
	const char *expect; /* the request's target must contain it; NULL: anything */
	int status;
	const char *body;
	bool stream; /* in pieces, left open */
	bool end;    /* ... or ended */
	bool abort;  /* no answer: cut */
	const char *retry_after;
};

struct scripted {
	struct loop *loop;
	struct http_server *server;
	struct kube_client *client;
	const struct scripted_answer *answers;
	size_t n, next;
	char path[80];
	struct http_exchange *open; /* the last stream left open */
	char targets[4096];         /* "GET /x\n" ... of all requests */
	struct strbuf last_body;
	char last_type[64], last_auth[64];
};

/* answers are borrowed. token_file NULL: no authorization. Fails the test when it cannot listen. */
void scripted_start(struct scripted *s, const struct clock *clock, const char *token_file,
		    const struct scripted_answer *answers, size_t n);
void scripted_stop(struct scripted *s);

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kube/scripted.h"

#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void scripted_closed(void *arg, UNUSED bool complete)
{
	((struct scripted *)arg)->open = NULL;
}

static void scripted_handle(void *arg, struct http_exchange *x)
{
	struct scripted *s = arg;
	const struct http_view *v = http_view(x);
	const struct scripted_answer *a = &s->answers[s->next];
	size_t used = strlen(s->targets);
	const char *type = http_headers_get(v->headers, "content-type");
	const char *auth = http_headers_get(v->headers, "authorization");

	snprintf(s->targets + used, sizeof(s->targets) - used, "%s %s\n", v->method, v->target);
	strbuf_clear(&s->last_body);
	strbuf_add(&s->last_body, v->body, v->body_size);
	snprintf(s->last_type, sizeof(s->last_type), "%s", type ? type : "");
	snprintf(s->last_auth, sizeof(s->last_auth), "%s", auth ? auth : "");
	if (s->next >= s->n) { /* the script is over: say nothing more */
		http_exchange_on_close(x, scripted_closed, s);
		return;
	}
	s->next++;
	if (a->expect && !strstr(v->target, a->expect))
		fail_msg("request %zu is %s, want %s", s->next, v->target, a->expect);
	if (a->retry_after)
		http_reply_header(x, "Retry-After", a->retry_after);
	if (a->abort) {
		http_exchange_abort(x);
	} else if (!a->stream) {
		http_reply(x, a->status, "application/json", a->body, strlen(a->body));
	} else {
		http_exchange_on_close(x, scripted_closed, s);
		http_reply_start(x, 200, "application/json");
		s->open = x;
		http_reply_write(x, a->body, strlen(a->body));
		if (a->end)
			http_reply_end(x);
	}
}

void scripted_start(struct scripted *s, const struct clock *clock, const char *token_file,
		    const struct scripted_answer *answers, size_t n)
{
	struct http_server_options o = {.handle = scripted_handle, .arg = s};
	struct kube_config config = {.server = "http://localhost"};

	memset(s, 0, sizeof(*s));
	s->answers = answers;
	s->n = n;
	s->loop = loop_new(clock);
	s->server = http_server_new(s->loop, &o);
	snprintf(s->path, sizeof(s->path), "/tmp/test-kube-%d.sock", (int)getpid());
	assert_int_equal(http_server_listen_unix(s->server, s->path, 0600, NULL), 0);
	config.unix_socket = s->path;
	config.token_file = token_file;
	s->client = kube_client_new(s->loop, &config, NULL);
}

void scripted_stop(struct scripted *s)
{
	kube_client_free(s->client);
	http_server_free(s->server);
	loop_free(s->loop);
	strbuf_release(&s->last_body);
}

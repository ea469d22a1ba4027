/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cni/agent.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/http/client.h"

/* The HTTP status, or negative errno with *err filled when no answer came. */
static int ask(const struct cni_request *rq, const char *method, const char *body,
	       struct http_response *resp, struct error *err)
{
	struct loop *loop = loop_new(NULL);
	struct http_client *client = http_client_new(loop, NULL);
	static const struct http_header json = {(char *)(uintptr_t) "Content-Type",
						(char *)(uintptr_t) "application/json"};
	char url[256];
	struct http_request request = {.method = method,
				       .url = url,
				       .unix_socket = rq->socket,
				       .timeout_ns = (uint64_t)rq->timeout_s * NS_PER_S,
				       .max_body = CNI_MAX_CONFIG};
	int r;

	snprintf(url, sizeof(url), "http://localhost/v1/endpoint/%s", rq->container_id);
	if (body) {
		request.body = body;
		request.body_size = strlen(body);
		request.headers = &json;
		request.n_headers = 1;
	}
	r = http_call_wait(loop, client, &request, resp, err);
	http_client_free(client);
	loop_free(loop);
	return r < 0 ? r : resp->status;
}

/* The agent's own sentence, or the status. */
static const char *sentence(struct arena *a, const struct http_response *resp)
{
	struct doc *d = NULL;
	const char *text = NULL;

	if (doc_read_json(a, strbuf_cstr(&resp->body), resp->body.len, "agent", &d, NULL) == 0)
		text = doc_find_str(d, "error");
	return text ? text : arena_printf(a, "the agent answered with status %d", resp->status);
}

static int away(const struct cni_request *rq, const char *why, struct cni_failure *f)
{
	cni_fail(f, CNI_ERR_TRY_AGAIN, "the agent at %s: %.300s", rq->socket, why);
	snprintf(f->details, sizeof(f->details),
		 "is sidestepd running on this node? try `sidestep status`");
	return -1;
}

static int read_answer(struct arena *a, const struct cni_request *rq,
		       const struct http_response *resp, struct attach_answer *out,
		       struct cni_failure *f)
{
	struct error err = ERROR_INIT;
	struct doc *d = NULL;

	if (resp->status >= 500)
		return away(rq, sentence(a, resp), f);
	if (resp->status == 404)
		return cni_fail(f, CNI_ERR_UNKNOWN_CONTAINER, "%.400s", sentence(a, resp));
	if (resp->status != 200)
		return cni_fail(f, CNI_ERR_REFUSED, "%.400s", sentence(a, resp));
	if (doc_read_json(a, strbuf_cstr(&resp->body), resp->body.len, "agent", &d, &err) < 0 ||
	    bind_decode(a, &attach_answer_table, d, "", out, NULL, &err) < 0)
		return cni_fail(f, CNI_ERR_REFUSED, "the agent's answer: %s", err.msg);
	return 0;
}

static int exchange(struct arena *a, const struct cni_request *rq, const char *method,
		    const char *body, struct attach_answer *out, struct cni_failure *f)
{
	struct http_response resp = {0};
	struct error err = ERROR_INIT;
	int r = ask(rq, method, body, &resp, &err);

	r = r < 0 ? away(rq, err.msg, f) : read_answer(a, rq, &resp, out, f);
	http_response_release(&resp);
	return r;
}

int cni_agent_put(struct arena *a, const struct cni_request *rq, const struct attach_request *at,
		  struct attach_answer *out, struct cni_failure *f)
{
	auto_release(strbuf) struct strbuf body = STRBUF_INIT;

	doc_write_json(bind_encode(a, &attach_request_table, at), DOC_COMPACT, &body);
	return exchange(a, rq, "PUT", strbuf_cstr(&body), out, f);
}

int cni_agent_get(struct arena *a, const struct cni_request *rq, struct attach_answer *out,
		  struct cni_failure *f)
{
	return exchange(a, rq, "GET", NULL, out, f);
}

/* 0 done, -1 no answer; the reason in *err. */
static int try_delete(const struct cni_request *rq, struct error *err)
{
	struct http_response resp = {0};
	int status = ask(rq, "DELETE", NULL, &resp, err);

	http_response_release(&resp);
	if ((status >= 200 && status < 300) || status == 404)
		return 0;
	if (status >= 0)
		error_set(err, -EIO, "status %d", status);
	return -1;
}

static int queue_deletion(const struct cni_request *rq, struct error *err)
{
	struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	const struct attach_deletion d = {rq->container_id, rq->ifname};
	const char *path = arena_printf(&a, "%s/%s", rq->queue, rq->container_id);
	int r;

	doc_write_json(bind_encode(&a, &attach_deletion_table, &d), DOC_COMPACT, &text);
	r = io_write_file_atomic(path, text.buf, text.len, 0600, err);
	arena_release(&a);
	return r;
}

int cni_agent_delete(const struct cni_request *rq, struct cni_failure *f)
{
	struct error err = ERROR_INIT;
	auto_close int lock = -1;
	char path[4200];

	if (try_delete(rq, &err) == 0)
		return 0;
	snprintf(path, sizeof(path), "%s/.lock", rq->queue);
	if (io_mkdirs(rq->queue, 0700, &err) < 0)
		return cni_fail(f, CNI_ERR_IO, "deletion queue: %s", err.msg);
	lock = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return cni_fail(f, CNI_ERR_IO, "deletion queue: %s: %s", path, strerror(errno));
	/* The agent may have come up and drained the queue since: ask once more, under its lock. */
	if (try_delete(rq, &err) == 0)
		return 0;
	if (queue_deletion(rq, &err) < 0)
		return cni_fail(f, CNI_ERR_IO, "deletion queue: %s", err.msg);
	return 0;
}

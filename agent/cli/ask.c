/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/ask.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/http/client.h"

#define SOCKET_GLOB  "/run/sidestep/*/sidestepd.sock"
#define ANSWER_LIMIT (32u << 20)

static int from_glob(struct arena *a, const glob_t *found, const char **ret_path, struct error *err)
{
	struct strbuf names = STRBUF_INIT;

	if (found->gl_pathc == 1) {
		*ret_path = arena_strdup(a, found->gl_pathv[0]);
		return 0;
	}
	for (size_t i = 0; i < found->gl_pathc && i < 4; i++)
		strbuf_addf(&names, "%s%s", i ? ", " : "", found->gl_pathv[i]);
	error_set(err, -ENOTUNIQ,
		  "several agents run on this machine (%s): choose one with --socket",
		  strbuf_cstr(&names));
	strbuf_release(&names);
	return -ENOTUNIQ;
}

int ask_socket(struct arena *a, const char *wanted, const char **ret_path, struct error *err)
{
	const char *env = getenv("SIDESTEP_SOCKET");
	glob_t found = {0};
	int r;

	if (wanted || !str_empty(env)) {
		*ret_path = wanted ? wanted : env;
		return 0;
	}
	if (glob(SOCKET_GLOB, 0, NULL, &found)) {
		globfree(&found);
		return error_set(
			err, -ENOENT,
			"no agent on this node: %s matches nothing. Is sidestepd running? "
			"--socket says where else to look; `sidestep bpf ...` works without it",
			SOCKET_GLOB);
	}
	r = from_glob(a, &found, ret_path, err);
	globfree(&found);
	return r;
}

/* The agent's own sentence, or its status. */
static int refused(struct arena *a, const struct http_response *resp, struct error *err)
{
	struct doc *d = NULL;
	const char *text = NULL;

	if (!doc_read_json(a, strbuf_cstr(&resp->body), resp->body.len, "agent", &d, NULL))
		text = doc_find_str(d, "error");
	if (text)
		return error_set(err, -EREMOTEIO, "%s", text);
	return error_set(err, -EREMOTEIO, "the agent answered with status %d", resp->status);
}

int ask_agent(struct arena *a, const char *socket, const char *method, const char *path,
	      struct doc **ret_doc, int *ret_status, struct error *err)
{
	struct loop *loop = loop_new(NULL);
	struct http_client *client = http_client_new(loop, NULL);
	struct http_response resp = {0};
	struct http_request request = {.method = method,
				       .url = arena_printf(a, "http://localhost%s", path),
				       .unix_socket = socket,
				       .max_body = ANSWER_LIMIT};
	int r = http_call_wait(loop, client, &request, &resp, err);

	if (ret_status)
		*ret_status = resp.status;
	if (r < 0)
		error_wrap(
			err, r,
			"the agent at %s does not answer (is sidestepd running, and are you root?)",
			socket);
	else if (resp.status >= 300)
		r = refused(a, &resp, err);
	else if (resp.body.len)
		r = doc_read_json(a, strbuf_cstr(&resp.body), resp.body.len, "agent", ret_doc, err);
	http_response_release(&resp);
	http_client_free(client);
	loop_free(loop);
	return r < 0 ? r : 0;
}

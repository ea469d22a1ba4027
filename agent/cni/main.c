/* SPDX-License-Identifier: Apache-2.0 */
/* sidestep-cni: one command of the container runtime, one JSON document on standard output. */
#include <stdio.h>
#include <string.h>

#include "agent/cni/verbs.h"
#include "lib/base/io.h"

static const char help[] =
	"sidestep-cni: gives a pod its interface, address and policy (CNI 0.3.0 to 1.0.0).\n"
	"\n"
	"A container runtime starts it, not a person: the command stands in CNI_COMMAND (ADD, "
	"DEL,\n"
	"CHECK, VERSION), the pod in CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME and CNI_ARGS, and the\n"
	"network configuration comes on standard input:\n"
	"\n"
	"  {\"cniVersion\": \"1.0.0\", \"name\": \"sidestep\", \"type\": \"sidestep-cni\",\n"
	"   \"socket\": \"/run/sidestep/sidestepd.sock\", \"queue\": \"/run/sidestep/cni-queue\"}\n"
	"\n"
	"To see what it speaks:  echo '{\"cniVersion\":\"1.0.0\"}' | CNI_COMMAND=VERSION "
	"sidestep-cni\n"
	"Exit codes: 0 ok, 1 failed (the JSON on standard output says why).\n";

static const char *from_environment(UNUSED void *arg, const char *name)
{
	return getenv(name);
}

static int run(struct arena *a, struct cni_request *rq, struct doc **ret_result,
	       struct cni_failure *f)
{
	auto_release(strbuf) struct strbuf input = STRBUF_INIT;
	struct error err = ERROR_INIT;

	rq->version = "1.0.0";
	if (io_read_file("-", CNI_MAX_CONFIG, &input, &err) < 0)
		return cni_fail(f, CNI_ERR_IO, "%s", err.msg);
	if (cni_request_parse(a, from_environment, NULL, strbuf_cstr(&input), input.len, rq, f) < 0)
		return -1;
	switch (rq->command) {
	case CNI_ADD:
		return cni_add(a, rq, ret_result, f);
	case CNI_DEL:
		return cni_del(a, rq, ret_result, f);
	case CNI_CHECK:
		return cni_check(a, rq, ret_result, f);
	case CNI_VERSION:
		*ret_result = cni_version_result(a, rq->version);
		return 0;
	}
	return -1;
}

int main(int argc, char **argv)
{
	struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct cni_failure f = {0};
	struct cni_request rq = {0};
	struct doc *result = NULL;
	int r;

	if (argc > 1) {
		const bool asked = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0;

		fputs(help, asked ? stdout : stderr);
		return asked ? 0 : 64;
	}
	r = run(&a, &rq, &result, &f);
	if (r < 0)
		result = cni_failure_result(&a, rq.version, &f);
	if (result) {
		doc_write_json(result, DOC_PRETTY, &out);
		strbuf_addc(&out, '\n');
		if (io_write_all(STDOUT_FILENO, out.buf, out.len, NULL) < 0)
			r = -1;
	}
	arena_release(&a);
	return r < 0 ? 1 : 0;
}

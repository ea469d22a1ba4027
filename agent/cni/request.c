/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cni/request.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/agentapi/attach.h"
#include "lib/base/str.h"

const char *const cni_versions[] = {"0.3.0", "0.3.1", "0.4.0", "1.0.0", NULL};

static const char *const command_names[] = {"ADD", "DEL", "CHECK", "VERSION", NULL};
static const char *const chaining_names[] = {"none", "generic-veth", NULL};

struct config {
	const char *version, *name, *type, *socket, *queue;
	struct opt_int timeout_s;
	int chaining;
	const struct doc *prev_result;
};

static const struct bind_field config_fields[] = {
	BIND(struct config, version, "cniVersion", BIND_STRING, 0),
	BIND(struct config, name, "name", BIND_STRING, 0),
	BIND(struct config, type, "type", BIND_STRING, 0),
	BIND(struct config, socket, "socket", BIND_STRING, BIND_NON_EMPTY),
	BIND(struct config, queue, "queue", BIND_STRING, BIND_NON_EMPTY),
	BIND_RANGE(struct config, timeout_s, "timeoutSeconds", BIND_OPT_INT, 0, 1, 600),
	BIND_NAMED(struct config, chaining, "chainingMode", 0, chaining_names),
	BIND(struct config, prev_result, "prevResult", BIND_DOC, 0),
};
static BIND_TABLE(config_table, struct config, config_fields);

int cni_fail(struct cni_failure *f, int code, const char *fmt, ...)
{
	va_list ap;

	f->code = code;
	va_start(ap, fmt);
	vsnprintf(f->msg, sizeof(f->msg), fmt, ap);
	va_end(ap);
	return -1;
}

static int find_name(const char *const *names, const char *name)
{
	for (int i = 0; names[i]; i++)
		if (str_eq(names[i], name))
			return i;
	return -1;
}

static bool ifname_valid(const char *s)
{
	const size_t n = strlen(s);

	if (n == 0 || n > 15 || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (s[i] == '/' || s[i] == ':' || !isgraph((unsigned char)s[i]))
			return false;
	return true;
}

/* K8S_POD_NAMESPACE=a;K8S_POD_NAME=b;IgnoreUnknown=1 */
static int parse_args(struct arena *a, const char *args, struct cni_request *out,
		      struct cni_failure *f)
{
	const struct {
		const char *key;
		const char **value;
	} rows[] = {
		{"K8S_POD_NAMESPACE", &out->pod_namespace},
		{"K8S_POD_NAME", &out->pod_name},
		{"K8S_POD_UID", &out->pod_uid},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		*rows[i].value = "";
	while (args && *args) {
		const size_t n = strcspn(args, ";"), k = strcspn(args, "=");

		if (k >= n)
			return cni_fail(f, CNI_ERR_ENVIRONMENT,
					"CNI_ARGS: \"%.*s\" is not KEY=VALUE", (int)MIN(n, 60u),
					args);
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
			if (strlen(rows[i].key) == k && strncmp(rows[i].key, args, k) == 0)
				*rows[i].value = arena_strndup(a, args + k + 1, n - k - 1);
		args += n + (args[n] == ';');
	}
	return 0;
}

static const char *required(cni_getenv_fn *env, void *arg, const char *name, struct cni_failure *f)
{
	const char *v = env(arg, name);

	if (!str_empty(v))
		return v;
	cni_fail(f, CNI_ERR_ENVIRONMENT, "%s is not set", name);
	snprintf(f->details, sizeof(f->details), "the container runtime sets it for every command");
	return NULL;
}

static int parse_env(struct arena *a, cni_getenv_fn *env, void *arg, struct cni_request *out,
		     struct cni_failure *f)
{
	const char *v = required(env, arg, "CNI_CONTAINERID", f);

	if (!v)
		return -1;
	if (!attach_container_id_valid(v))
		return cni_fail(f, CNI_ERR_ENVIRONMENT, "CNI_CONTAINERID \"%.130s\" is not valid",
				v);
	out->container_id = arena_strdup(a, v);
	v = required(env, arg, "CNI_IFNAME", f);
	if (!v)
		return -1;
	if (!ifname_valid(v))
		return cni_fail(f, CNI_ERR_ENVIRONMENT, "CNI_IFNAME \"%.40s\" is not valid", v);
	out->ifname = arena_strdup(a, v);
	/* A DEL after a reboot has no namespace any more. */
	v = out->command == CNI_DEL ? env(arg, "CNI_NETNS") : required(env, arg, "CNI_NETNS", f);
	if (!v && out->command != CNI_DEL)
		return -1;
	out->netns = str_empty(v) ? NULL : arena_strdup(a, v);
	return parse_args(a, env(arg, "CNI_ARGS"), out, f);
}

static int parse_config(struct arena *a, const char *input, size_t n, struct cni_request *out,
			struct cni_failure *f)
{
	struct error err = ERROR_INIT;
	struct config c;
	struct doc *d = NULL;

	if (n > CNI_MAX_CONFIG)
		return cni_fail(f, CNI_ERR_DECODE, "the configuration is larger than %u bytes",
				CNI_MAX_CONFIG);
	if (doc_read_json(a, input, n, "stdin", &d, &err) < 0)
		return cni_fail(f, CNI_ERR_DECODE, "%s", err.msg);
	if (bind_decode(a, &config_table, d, "", &c, NULL, &err) < 0)
		return cni_fail(f, CNI_ERR_CONFIG, "%s", err.msg);
	if (c.version && find_name(cni_versions, c.version) < 0)
		return cni_fail(f, CNI_ERR_VERSION,
				"cniVersion \"%.20s\" is none of 0.3.0, 0.3.1, 0.4.0, 1.0.0",
				c.version);
	out->version = c.version ? c.version : "1.0.0";
	if (out->command == CNI_VERSION)
		return 0;
	if (!c.version)
		return cni_fail(f, CNI_ERR_CONFIG, "cniVersion is required");
	if (str_empty(c.name))
		return cni_fail(f, CNI_ERR_CONFIG, "name is required");
	out->name = c.name;
	out->socket = c.socket ? c.socket : "/run/sidestep/sidestepd.sock";
	out->queue = c.queue ? c.queue : "/run/sidestep/cni-queue";
	out->timeout_s = c.timeout_s.set ? c.timeout_s.value : 30;
	out->chaining = c.chaining;
	out->prev_result = c.prev_result;
	return 0;
}

/* What the command and the configuration must agree on. */
static int check_sense(const struct cni_request *rq, struct cni_failure *f)
{
	if (rq->command == CNI_CHECK && strncmp(rq->version, "0.3.", 4) == 0)
		return cni_fail(f, CNI_ERR_VERSION,
				"CHECK came with version 0.4.0; the configuration says %s",
				rq->version);
	if (rq->command == CNI_CHECK && !rq->prev_result)
		return cni_fail(f, CNI_ERR_CONFIG, "CHECK needs prevResult");
	if (rq->command == CNI_ADD && rq->chaining == CNI_CHAIN_NONE && rq->prev_result)
		return cni_fail(
			f, CNI_ERR_CONFIG,
			"prevResult is there: another plugin made the interface; set chainingMode");
	if (rq->command == CNI_ADD && rq->chaining != CNI_CHAIN_NONE && !rq->prev_result)
		return cni_fail(f, CNI_ERR_CONFIG, "chainingMode is set but prevResult is missing");
	return 0;
}

int cni_request_parse(struct arena *a, cni_getenv_fn *env, void *env_arg, const char *input,
		      size_t input_size, struct cni_request *out, struct cni_failure *f)
{
	const char *command = required(env, env_arg, "CNI_COMMAND", f);
	int which;

	memset(out, 0, sizeof(*out));
	out->version = "1.0.0";
	if (!command)
		return -1;
	which = find_name(command_names, command);
	if (which < 0)
		return cni_fail(f, CNI_ERR_ENVIRONMENT,
				"CNI_COMMAND \"%.20s\" is none of ADD, DEL, CHECK, VERSION",
				command);
	out->command = (enum cni_command)which;
	if (parse_config(a, input, input_size, out, f) < 0)
		return -1;
	if (out->command == CNI_VERSION)
		return 0;
	if (parse_env(a, env, env_arg, out, f) < 0)
		return -1;
	return check_sense(out, f);
}

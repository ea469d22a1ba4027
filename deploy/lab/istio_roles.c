/* SPDX-License-Identifier: Apache-2.0 */
/* `sidestep-lab injector`, `istiod` and, inside pods, `istio-proxy`. */
#include <stdlib.h>

#include "deploy/lab/istiod/injector.h"
#include "deploy/lab/istiod/istiod.h"
#include "deploy/lab/istiod/proxy.h"
#include "deploy/lab/lab.h"
#include "deploy/lab/roles_main.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/istio/redirect.h"

const struct role_options role_defaults = {.lab = "lab"};
const struct cli_option role_rows[3] = {ROLE_OPTIONS(struct bare_role_options)};

int lab_injector_main(const struct cli_call *call, struct error *err)
{
	const struct role_options *o = call->opts;
	struct injector_options options = {0};
	struct injector *injector;
	struct role_base base;
	struct lab lab;
	int r = lab_load(&lab, o->lab, err);

	if (r)
		return r;
	r = role_begin(&base, o, "injector", call->err, err);
	if (r == 0) {
		options.log = &base.log;
		options.dir = arena_printf(&lab.arena, "%s/pki/injector", lab.dir);
		r = injector_new(base.client, &options, &injector, err);
		if (r == 0) {
			r = role_run(&base, err);
			injector_free(injector);
		}
		role_end(&base);
	}
	lab_release(&lab);
	return r;
}

int lab_istiod_main(const struct cli_call *call, struct error *err)
{
	const struct role_options *o = call->opts;
	struct istiod_options options = {.proxy_uid = ISTIO_PROXY_UID};
	struct istiod *istiod;
	struct role_base base;
	struct lab lab;
	int r = lab_load(&lab, o->lab, err);

	if (r)
		return r;
	r = role_begin(&base, o, "istiod", call->err, err);
	if (r == 0) {
		options.log = &base.log;
		options.envoy = lab.envoy;
		options.sidecars = arena_printf(&lab.arena, "%s/sidecars", lab.dir);
		options.access_logs = arena_printf(&lab.arena, "%s/counts", lab.dir);
		options.authority = arena_printf(&lab.arena, "%s/pki/istio", lab.dir);
		r = istiod_new(base.client, &options, &istiod, err);
		if (r == 0) {
			r = role_run(&base, err);
			istiod_free(istiod);
		}
		role_end(&base);
	}
	lab_release(&lab);
	return r;
}

/* `pilot-agent request --debug-port=N POST drain`, the sidecar's preStop. */
static int request_main(const struct cli_call *call, struct error *err)
{
	const char *what = call->args[call->n_args - 1];

	if (call->n_args < 3 || !str_eq(what, "drain"))
		return error_set(err, -EINVAL, "request: only POST drain is known here");
	return proxy_request_drain(err);
}

/* Its arguments are pilot-agent's and say nothing that the lab needs; its place is in the
 * environment that the kubelet gives every container. */
int lab_istio_proxy_main(const struct cli_call *call, struct error *err)
{
	const char *lab = getenv("SIDESTEP_LAB"), *uid = getenv("POD_UID");
	struct log log = {.out = call->err,
			  .level = LOG_LEVEL_INFO,
			  .name = "istio-proxy",
			  .clock = clock_system()};
	auto_free char *dir = NULL, *envoy = NULL;
	struct proxy_options o = {.log = &log};

	if (call->n_args > 0 && str_eq(call->args[0], "request"))
		return request_main(call, err);
	if (str_empty(lab) || str_empty(uid))
		return error_set(
			err, -EINVAL,
			"runs inside a pod of the lab: SIDESTEP_LAB and POD_UID are not set");
	dir = xasprintf("%s/sidecars/%s", lab, uid);
	envoy = xasprintf("%s/sidecars/envoy", lab);
	o.dir = dir;
	o.envoy = envoy;
	return proxy_run(&o, err);
}

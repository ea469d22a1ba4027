/* SPDX-License-Identifier: Apache-2.0 */
/* `sidestep-lab controllers`: the controller manager and scheduler as a process. */
#include "deploy/lab/controllers/controllers.h"
#include "deploy/lab/roles_main.h"

int lab_controllers_main(const struct cli_call *call, struct error *err)
{
	const struct controllers_role_options *o = call->opts;
	struct controllers_options options = {.pod_cidr = o->pod_cidr};
	struct controllers *controllers;
	struct role_base base;
	int r = role_begin(&base, &o->role, "controllers", call->err, err);

	if (r)
		return r;
	options.log = &base.log;
	controllers = controllers_new(base.client, &options);
	r = role_run(&base, err);
	controllers_free(controllers);
	role_end(&base);
	return r;
}

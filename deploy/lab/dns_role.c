/* SPDX-License-Identifier: Apache-2.0 */
/* `sidestep-lab dns`: the cluster's DNS as a process. */
#include "deploy/lab/dns/server.h"
#include "deploy/lab/endpoint.h"
#include "deploy/lab/roles_main.h"

int lab_dns_main(const struct cli_call *call, struct error *err)
{
	const struct dns_role_options *o = call->opts;
	struct role_base base;
	struct endpoint at;
	struct dns_server *s;
	int r = endpoint_parse(o->listen, &at, err);

	if (!r)
		r = role_begin(&base, &o->role, "dns", call->err, err);
	if (r)
		return r;
	s = dns_server_new(base.client, &base.log);
	r = dns_server_listen(s, at.address, at.port, NULL, err);
	if (!r)
		r = role_run(&base, err);
	dns_server_free(s);
	role_end(&base);
	return r;
}

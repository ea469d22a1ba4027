/* SPDX-License-Identifier: Apache-2.0 */
/* The contract on the server that $KUBECONFIG names: a kube-apiserver with etcd and no controllers.
 */
#include "tests/peers/contract/contract.h"

int main(int argc, char **argv)
{
	static struct contract c = {.real = true};
	struct error err = ERROR_INIT;
	int rc;

	arena_init(&c.session);
	if (kube_config_load(&c.session, &(struct kube_config_options){0}, &c.config, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	c.loop = loop_new(NULL);
	c.http = http_client_new(c.loop, NULL);
	rc = contract_run(&c, argc, argv);
	http_client_free(c.http);
	loop_free(c.loop);
	arena_release(&c.session);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The contract on the lab's API server, which runs on this program's own loop. */
#include <string.h>
#include <unistd.h>

#include "deploy/lab/apiserver/apiserver.h"
#include "lib/base/io.h"
#include "tests/peers/contract/contract.h"

static int start(struct contract *c, const char *dir, struct apiserver **ret_server,
		 struct error *err)
{
	/* few enough that a test can make it forget */
	const struct apiserver_options options = {.history = 50};
	const char *path = arena_printf(&c->session, "%s/kubeconfig", dir);
	const char *url;
	uint16_t port;
	int rc = apiserver_new(c->loop, &options, ret_server, err);

	if (rc == 0)
		rc = apiserver_listen(*ret_server, "127.0.0.1", 0, &port, err);
	if (rc < 0)
		return rc;
	url = arena_printf(&c->session, "https://127.0.0.1:%u", port);
	rc = apiserver_write_kubeconfig(*ret_server, "admin", "system:masters", url, path, err);
	if (rc < 0)
		return rc;
	return kube_config_load(&c->session, &(struct kube_config_options){.kubeconfig = path},
				&c->config, err);
}

int main(int argc, char **argv)
{
	static struct contract c;
	struct apiserver *server = NULL;
	struct error err = ERROR_INIT;
	char dir[] = "/tmp/sidestep-contract-XXXXXX";
	int rc = 1;

	if (!mkdtemp(dir))
		return 1;
	arena_init(&c.session);
	c.loop = loop_new(NULL);
	c.http = http_client_new(c.loop, NULL);
	if (start(&c, dir, &server, &err) < 0)
		fprintf(stderr, "%s\n", err.msg);
	else
		rc = contract_run(&c, argc, argv);
	http_client_free(c.http);
	apiserver_free(server);
	loop_free(c.loop);
	arena_release(&c.session);
	io_remove_tree(dir, NULL);
	return rc;
}

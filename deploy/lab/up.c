/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing a lab up: machines, processes, objects, and waiting until it stands. */
#include "deploy/lab/up.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "deploy/lab/apply.h"
#include "deploy/lab/down.h"
#include "deploy/lab/images.h"
#include "deploy/lab/network.h"
#include "deploy/lab/random.h"
#include "deploy/lab/ready.h"
#include "deploy/lab/roles.h"
#include "deploy/lab/sysctl.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/kube/config.h"
#include "lib/kube/sync.h"
#include "lib/loop/spawn.h"

/* A port that is free now on 127.0.0.1. */
static int free_port(uint16_t *ret_port, struct error *err)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) < 0)
		return error_errno(err, -errno, "find a free port on 127.0.0.1");
	*ret_port = ntohs(sin.sin_port);
	return 0;
}

/* What is written down must mean the same to processes that run elsewhere. NULL stays NULL. */
static int absolute(struct arena *a, const char *path, const char **ret_path, struct error *err)
{
	auto_free char *real = path ? realpath(path, NULL) : NULL;

	if (path && !real)
		return error_errno(err, -errno, "%s", path);
	*ret_path = arena_strdup(a, real);
	return 0;
}

static bool same(const struct lab *lab, const struct up_options *o)
{
	auto_free char *kubeconfig = o->kubeconfig ? realpath(o->kubeconfig, NULL) : NULL;

	return lab->n_nodes == o->nodes && lab->istio == o->istio && lab->clsact == o->clsact &&
	       str_eq(lab->kubeconfig, kubeconfig);
}

/* 1: it runs already as asked. 0: there is none (any more). */
static int meet_old(const struct up_options *o, struct lab *lab, struct error *err)
{
	pid_t pid;
	int r = lab_load(lab, o->lab.lab, err);

	if (r == -ENOENT) {
		lab_release(lab);
		return 0;
	}
	if (r < 0)
		return r;
	if (lab_pid_read(lab, "supervise", &pid) == 0) {
		if (same(lab, o))
			return 1;
		return error_set(err, -EEXIST,
				 "lab \"%s\" is up with other settings; first: sidestep lab down",
				 o->lab.lab);
	}
	r = lab_remove(lab, err);
	lab_release(lab);
	return r;
}

/* What this tree is, and what else was named: NAME:TAG=DIR. */
static int settle_images(const struct up_options *o, struct lab *lab, struct error *err)
{
	const char *file = arena_printf(&lab->arena, "%s/" IMAGES_FILE, lab->dir);
	int r = images_add(file, LAB_AGENT_IMAGE ":" SIDESTEP_VERSION, lab->bin_dir, err);

	for (size_t i = 0; !r && i < o->images.n; i++) {
		const char *text = o->images.items[i], *is = strchr(text, '=');

		r = is ? images_add(file, arena_strndup(&lab->arena, text, (size_t)(is - text)),
				    is + 1, err)
		       : error_set(err, -EINVAL, "--image %s: want NAME:TAG=DIR", text);
	}
	return r;
}

static int settle(const struct up_options *o, struct lab *lab, struct error *err)
{
	static const char *const folders[] = {"run", "log", "pods", "nodes"};
	int r = lab_init(lab, o->lab.lab, (unsigned)o->nodes, err);

	if (r < 0)
		return r;
	lab->istio = o->istio;
	lab->clsact = o->clsact;
	r = absolute(&lab->arena, o->kubeconfig, &lab->kubeconfig, err);
	if (!r)
		r = absolute(&lab->arena, o->envoy, &lab->envoy, err);
	if (!r && !lab->kubeconfig)
		r = free_port(&lab->port, err);
	if (!r)
		r = lab_save(lab, err);
	for (size_t i = 0; !r && i < ARRAY_SIZE(folders); i++)
		r = io_mkdirs(arena_printf(&lab->arena, "%s/%s", lab->dir, folders[i]), 0755, err);
	return r ? r : settle_images(o, lab, err);
}

static int write_kubeconfig(const struct kube_config *config, const char *name, const char *path,
			    struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct arena a = ARENA_INIT;
	int r;

	doc_write_yaml(kube_config_to_doc(&a, config, name), &text);
	r = io_write_file_atomic(path, text.buf, text.len, 0600, err);
	arena_release(&a);
	return r;
}

/* A real server keeps its certificate: on the underlay it is called by the name it has here. */
static int foreign_kubeconfigs(const struct lab *lab, struct error *err)
{
	const struct kube_config_options options = {.kubeconfig = lab->kubeconfig};
	struct arena a = ARENA_INIT;
	struct kube_config config;
	int r = kube_config_load(&a, &options, &config, err);

	if (!r)
		r = write_kubeconfig(&config, lab->name, lab->kubeconfig_here, err);
	if (!r && !config.tls_server_name) {
		const char *host = strstr(config.server, "://");

		host = host ? host + 3 : config.server;
		config.tls_server_name = arena_strndup(&a, host, strcspn(host, ":/"));
	}
	if (!r) {
		config.server = arena_printf(&a, "https://%s:%d", LAB_HUB_ADDRESS, LAB_API_PORT);
		r = write_kubeconfig(&config, lab->name, lab->kubeconfig_underlay, err);
	}
	arena_release(&a);
	return r;
}

static int start_supervisor(const struct lab *lab, struct error *err)
{
	auto_free char *program = xasprintf("%s/sidestep-lab", lab->bin_dir);
	auto_free char *log = xasprintf("%s/log/supervise.log", lab->dir);
	const char *argv[] = {program, "supervise", "--lab", lab->name, NULL};
	auto_close int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	struct loop_spawn spec = {.argv = argv, .fds = {-1, fd, fd}, .new_session = true};
	struct loop *loop = loop_new(NULL);
	struct loop_child *child = NULL;
	int r = loop_spawn(loop, &spec, NULL, NULL, &child, err);

	if (!r)
		r = lab_pid_write(lab, "supervise", loop_child_pid(child), err);
	loop_child_free(child);
	loop_free(loop);
	return r;
}

static int make(const struct up_options *o, struct progress *p, struct lab *lab, struct error *err)
{
	int r = settle(o, lab, err);

	if (!r)
		r = lab_sysctl_raise(lab, err);
	if (!r && lab->kubeconfig)
		r = foreign_kubeconfigs(lab, err);
	if (!r)
		r = lab_network_up(lab, err);
	if (!r)
		r = start_supervisor(lab, err);
	if (!r)
		progress_line(p, "lab \"%s\": %u nodes, kubeconfig %s", lab->name, lab->n_nodes,
			      lab->kubeconfig_here);
	return r;
}

static int apply(struct kube_client *client, struct progress *p, const char *path,
		 struct error *err)
{
	size_t n = 0;
	int r = lab_apply_path(client, path, &n, err);

	if (!r)
		progress_line(p, "applied %s (%zu objects)", path, n);
	return r;
}

/* What every cluster has before a user's objects: CRDs, the DNS service, Istio's settings. */
static int apply_system(const struct lab *lab, struct kube_client *client, struct progress *p,
			struct error *err)
{
	auto_free char *crds = xasprintf("%s/deploy/crds", lab->source_dir);
	auto_free char *system = xasprintf("%s/deploy/lab/system", lab->source_dir);
	auto_free char *istio = xasprintf("%s/deploy/lab/istio", lab->source_dir);
	int r = apply(client, p, crds, err);

	if (!r)
		r = apply(client, p, system, err);
	if (!r && lab->istio)
		r = apply(client, p, istio, err);
	return r;
}

struct agent_edit {
	const struct up_options *o;
	const struct lab *lab;
	bool there; /* the DaemonSet is: what runs is changed by who upgrades it, not by `up` */
};

static bool edit_agent(void *arg, struct arena *a, struct doc *object)
{
	const struct agent_edit *e = arg;
	const char *kind = doc_find_str(object, "kind");
	struct doc *data = doc_get(object, "data");

	if (str_eq(kind, "ConfigMap") && e->lab->clsact)
		doc_setf(a, data, "agent.yaml", "%sattach: clsact\n",
			 str_or_empty(doc_str(doc_get(data, "agent.yaml"))));
	if (str_eq(kind, "DaemonSet") && e->o->agent)
		doc_set_string(a, doc_find(object, "spec.template.spec.containers[0]"), "image",
			       e->o->agent);
	return !str_eq(kind, "DaemonSet") || !e->there;
}

/* What a user's cluster is given for it, by the file that a user would apply. */
static int apply_agent(const struct up_options *o, const struct lab *lab,
		       struct kube_client *client, struct progress *p, struct error *err)
{
	auto_free char *path = xasprintf("%s/deploy/agent/sidestep.yaml", lab->source_dir);
	struct agent_edit edit = {.o = o, .lab = lab};
	struct arena a = ARENA_INIT;
	struct doc *found = NULL;
	size_t n = 0;
	int r = kube_get(client, &a, object_kind(KIND_DAEMON_SET), LAB_AGENT_NAMESPACE,
			 LAB_AGENT_NAME, &found, err);

	edit.there = r == 0;
	if (r == 0 || r == -ENOENT)
		r = lab_apply_edited(client, path, edit_agent, &edit, &n, err);
	if (!r)
		progress_line(p, "applied %s (%zu objects)", path, n);
	arena_release(&a);
	return r;
}

/* Written beside the rest of the lab, so that it can be read and applied by hand. */
static int write_random(struct lab *lab, const char *seed_text, const char **ret_path,
			const char **ret_namespace, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct random_namespace random;
	struct arena a = ARENA_INIT;
	uint64_t seed;
	int r = str_to_u64(seed_text, 0, UINT64_MAX, &seed, "--random", err);

	if (r < 0)
		return r;
	random_namespace_make(&random, &a, seed);
	random_namespace_write(&random, &text);
	*ret_path = arena_printf(&lab->arena, "%s/random.yaml", lab->dir);
	*ret_namespace = arena_strdup(&lab->arena, random.name);
	r = io_write_file_atomic(*ret_path, text.buf, text.len, 0644, err);
	arena_release(&a);
	return r;
}

static int apply_random(const struct up_options *o, struct lab *lab, struct kube_client *client,
			struct progress *p, struct error *err)
{
	const char *path, *ns;
	int r = write_random(lab, o->random, &path, &ns, err);

	return r < 0 ? r : apply(client, p, path, err);
}

static int populate(const struct up_options *o, struct lab *lab, struct kube_client *client,
		    struct progress *p, struct error *err)
{
	int r = lab_wait_api(client, o->timeout_ns, err);

	if (!r)
		r = apply_system(lab, client, p, err);
	if (!r)
		r = apply_agent(o, lab, client, p, err);
	if (!r)
		r = lab_wait_nodes(client, lab->n_nodes, o->timeout_ns, p, err);
	if (!r && lab->istio)
		r = lab_wait_webhook(client, o->timeout_ns, err);
	for (size_t i = 0; !r && i < o->manifests.n; i++)
		r = apply(client, p, o->manifests.items[i], err);
	if (!r && o->random)
		r = apply_random(o, lab, client, p, err);
	if (!r)
		r = lab_wait_agents(client, o->timeout_ns, p, err);
	if (!r)
		r = lab_wait_deployments(client, o->timeout_ns, p, err);
	return r;
}

int lab_bring_up(const struct up_options *o, struct progress *p, struct loop *loop, struct lab *lab,
		 struct error *err)
{
	struct kube_client *client = NULL;
	int r = meet_old(o, lab, err);

	if (r == 0)
		r = make(o, p, lab, err);
	if (r >= 0)
		r = lab_connect(lab, loop, o->timeout_ns, &client, err);
	if (!r)
		r = populate(o, lab, client, p, err);
	kube_client_free(client);
	return r;
}

static void on_interrupt(void *arg, UNUSED int signo)
{
	loop_stop(arg);
}

int lab_up_main(const struct cli_call *call, struct error *err)
{
	const struct up_options *o = call->opts;
	struct progress p;
	struct loop *loop = loop_new(NULL);
	struct lab lab = {0};
	int r;

	loop_signal_new(loop, SIGINT, on_interrupt, loop);
	loop_signal_new(loop, SIGTERM, on_interrupt, loop);
	progress_init(&p, call->err, clock_system());
	r = lab_bring_up(o, &p, loop, &lab, err);
	if (r == -EINTR) {
		progress_line(&p, "interrupted; what stands is removed by: sidestep lab down");
		r = CLI_INTERRUPTED;
	}
	if (r == 0)
		fprintf(call->out, "export KUBECONFIG=%s\n", lab.kubeconfig_here);
	progress_release(&p);
	lab_release(&lab);
	loop_free(loop);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests compared with what an API server holds, after us and after others. */
#include <string.h>

#include "deploy/lab/apiserver/apiserver.h"
#include "lib/kube/sync.h"
#include "tests/support/test.h"
#include "upgrade/config.h"

static const char manifests[] =
	"apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
	"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: rates}\ndata: {eur: '1.1'}\n"
	"---\napiVersion: v1\nkind: Secret\nmetadata: {name: bank}\nstringData: {pin: '1234'}\n"
	"---\napiVersion: v1\nkind: Service\nmetadata: {name: till}\n"
	"spec: {ports: [{port: 80}], selector: {app: till}}\n"
	"---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: till}\n"
	"spec: {replicas: 2, selector: {matchLabels: {app: till}}, template: {metadata: {labels: "
	"{app: till}}, spec: {containers: [{name: app, image: till, ports: [{containerPort: "
	"80}]}]}}}\n"
	"---\napiVersion: example.org/v1\nkind: Unheard\nmetadata: {name: of}\n";

struct world {
	struct loop *loop;
	struct apiserver *server;
	struct kube_client *client;
	struct arena arena;
};

static void world_init(struct world *w)
{
	struct apiserver_options options = {0};
	struct kube_config config;
	struct error err = ERROR_INIT;
	char path[] = "/tmp/config-live-XXXXXX", *file;
	uint16_t port;

	*w = (struct world){.loop = loop_new(NULL)};
	assert_non_null(mkdtemp(path));
	file = arena_printf(&w->arena, "%s/conf", path);
	if (apiserver_new(w->loop, &options, &w->server, &err) < 0 ||
	    apiserver_listen(w->server, "127.0.0.1", 0, &port, &err) < 0 ||
	    apiserver_write_kubeconfig(w->server, "me", NULL,
				       arena_printf(&w->arena, "https://127.0.0.1:%u", port), file,
				       &err) < 0 ||
	    kube_config_load(&w->arena, &(struct kube_config_options){.kubeconfig = file}, &config,
			     &err) < 0)
		fail_msg("%s", err.msg);
	w->client = kube_client_new(w->loop, &config, NULL);
	unlink(file);
	rmdir(path);
}

static void world_release(struct world *w)
{
	kube_client_free(w->client);
	apiserver_free(w->server);
	loop_free(w->loop);
	arena_release(&w->arena);
}

static void read_set(struct config_scene *s, struct snapshot *set, const char *text)
{
	struct doc_stream docs;

	snapshot_init(set, &s->arena);
	set->default_namespace = "shop";
	assert_int_equal(doc_read_yaml(&s->arena, text, strlen(text), "set", &docs, NULL), 0);
	for (size_t i = 0; i < docs.n; i++)
		assert_int_equal(snapshot_add(set, docs.docs[i], NULL), 0);
}

static void put_all(struct world *w, const struct snapshot *set)
{
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < set->n; i++)
		if (object_kind_of(set->items[i]) &&
		    kube_put(w->client, &w->arena, object_kind_of(set->items[i]), set->items[i],
			     NULL, &err) < 0)
			fail_msg("%s", err.msg);
}

/* The comparison as words; applied is what is wanted, too. */
static void compared(struct world *w, struct strbuf *out)
{
	static const struct config_diff_opts opts = {.applied = "set"};
	static const struct secret_key key;
	struct cluster cluster = {.loop = w->loop, .client = w->client, .clock = clock_system()};
	struct config_scene s = {0};
	struct error err = ERROR_INIT;

	strbuf_clear(out);
	read_set(&s, &s.desired, manifests);
	read_set(&s, &s.applied, manifests);
	snapshot_init(&s.live, &s.arena);
	if (config_live_read(&s, &cluster, &err) < 0 ||
	    config_scene_compare(&s, &opts, &key, &err) < 0)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < s.diff.n; i++)
		for (size_t j = 0; j < s.diff.objects[i].n; j++) {
			const struct diff_change *c = &s.diff.objects[i].changes[j];

			strbuf_addf(out, "%s %s %s\n",
				    diff_object_ref(&s.arena, &s.diff.objects[i]),
				    diff_class_name(c->class), diff_path_text(&s.arena, c->path));
		}
	config_scene_release(&s);
}

static void patch(struct world *w, enum object_kind_id kind, const char *name, const char *json)
{
	struct error err = ERROR_INIT;
	struct doc *d;

	assert_int_equal(doc_read_json(&w->arena, json, strlen(json), NULL, &d, NULL), 0);
	if (kube_patch(w->client, &w->arena, object_kind(kind), "shop", name, NULL,
		       KUBE_PATCH_MERGE, d, NULL, &err) < 0)
		fail_msg("%s", err.msg);
}

TEST(what_a_server_holds_is_compared)
{
	auto_release(strbuf) struct strbuf got = STRBUF_INIT;
	struct config_scene s = {0};
	struct world w;

	world_init(&w);
	read_set(&s, &s.desired, manifests);
	compared(&w, &got);
	/* Nothing is there; applied says that it was. */
	assert_non_null(strstr(got.buf, "ConfigMap/shop/rates drift \n"));
	assert_non_null(strstr(got.buf, "Unheard/of drift \n"));
	put_all(&w, &s.desired);
	compared(&w, &got);
	/* Freshly applied: nothing differs, but what this server has never heard of. */
	assert_string_equal(strbuf_cstr(&got), "Unheard/of drift \n");
	patch(&w, KIND_CONFIG_MAP, "rates", "{\"data\":{\"eur\":\"1.2\",\"theirs\":\"x\"}}");
	patch(&w, KIND_DEPLOYMENT, "till", "{\"metadata\":{\"annotations\":{\"a\":\"b\"}}}");
	patch(&w, KIND_SECRET, "bank", "{\"data\":{\"pin\":\"NTY3OA==\"}}");
	compared(&w, &got);
	assert_string_equal(strbuf_cstr(&got), "ConfigMap/shop/rates drift data.eur\n"
					       "Secret/shop/bank drift data.pin\n"
					       "Unheard/of drift \n");
	config_scene_release(&s);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_server_holds_is_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

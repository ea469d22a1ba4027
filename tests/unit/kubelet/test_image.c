/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/kubelet/image.h"

#include <string.h>

#include "tests/support/test.h"

static const char object_text[] =
	"metadata: {name: web-1, namespace: shop, uid: u-1, labels: {app: web}}\n"
	"spec: {serviceAccountName: web}\n";

struct fixture {
	struct arena arena;
	struct kubelet k;
	struct kube_object object;
	struct pod pod;
	struct container c;
};

static const struct doc *yaml(struct fixture *f, const char *text)
{
	struct doc_stream s = {0};
	struct error err = ERROR_INIT;

	if (doc_read_yaml(&f->arena, text, strlen(text), NULL, &s, &err) < 0)
		fail_msg("%s", err.msg);
	return s.docs[0];
}

static void make(struct fixture *f, const char *container)
{
	memset(f, 0, sizeof(*f));
	f->k.o = (struct kubelet_options){.node = "node-a",
					  .lab = "/lab",
					  .node_ip = "172.30.0.11",
					  .self = "/bin/sidestep-lab"};
	f->object.doc = (struct doc *)(uintptr_t)yaml(f, object_text);
	f->pod = (struct pod){.k = &f->k,
			      .uid = "u-1",
			      .ns = "shop",
			      .name = "web-1",
			      .ip = "10.244.1.5",
			      .object = &f->object,
			      .spec = doc_get(f->object.doc, "spec")};
	f->c = (struct container){.pod = &f->pod, .spec = yaml(f, container), .name = "app"};
}

static const char *joined(struct fixture *f, const char **words)
{
	const char *out = "";

	for (; *words; words++)
		out = arena_printf(&f->arena, "%s%s%s", out, *out ? " " : "", *words);
	return out;
}

TEST(what_an_image_and_a_command_become)
{
	static const struct {
		const char *container, *exec, *argv; /* argv NULL: refused */
	} rows[] = {
		{"image: 'sidestep.dev/lab/workload:1'\nargs: [--http=8080]\n", NULL,
		 "/bin/sidestep-lab workload --http=8080"},
		{"image: 'sidestep.dev/lab/workload'\n", NULL, "/bin/sidestep-lab workload"},
		{"image: 'sidestep.dev/lab/workloads:1'\n", NULL, NULL},
		{"image: nginx\n", NULL, NULL},
		{"image: 'sidestep.dev/lab/istio-proxy:1'\nargs: [proxy, sidecar, "
		 "$(POD_NAMESPACE).svc]\n",
		 NULL, "/bin/sidestep-lab istio-proxy proxy sidecar shop.svc"},
		{"image: 'sidestep.dev/lab/istio-proxy:1'\nargs: [istio-iptables, -p, '15001']\n",
		 NULL, "/bin/sidestep-lab istio-init -p 15001"},
		{"image: nginx\ncommand: [/bin/sh, -c, 'echo $(POD_IP) $$(X) $(NONE)']\n", NULL,
		 "/bin/sh -c echo 10.244.1.5 $(X) $(NONE)"},
		{"image: x\n", "[/workload, --probe]", "/bin/sidestep-lab workload --probe"},
		{"image: x\n", "[pilot-agent, request, POST]",
		 "/bin/sidestep-lab istio-proxy request POST"},
		{"image: 'registry/any:1'\ncommand: [sidestep-migrate, probe, x/y=1.2.3.4]\n", NULL,
		 "/bin/sidestep-migrate probe x/y=1.2.3.4"},
		{"image: x\n", "[cat, /etc/hostname]", "cat /etc/hostname"},
		{"image: x\n", "[]", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fixture f;
		struct image_process ip;
		struct error err = ERROR_INIT;
		int r;

		make(&f, rows[i].container);
		r = image_process(&f.arena, &f.c, rows[i].exec ? yaml(&f, rows[i].exec) : NULL, &ip,
				  &err);
		assert_int_equal(r == 0, rows[i].argv != NULL);
		if (rows[i].argv)
			assert_string_equal(joined(&f, ip.argv), rows[i].argv);
		arena_release(&f.arena);
	}
}

static const char *value_of(const char **env, const char *name)
{
	const size_t n = strlen(name);

	for (; *env; env++)
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

TEST(environment_and_user)
{
	struct fixture f;
	struct image_process ip;

	make(&f, "image: 'sidestep.dev/lab/workload:1'\n"
		 "securityContext: {runAsUser: 1337}\n"
		 "env:\n"
		 "- {name: A, value: one}\n"
		 "- {name: B, value: '$(A)-two'}\n"
		 "- {name: POD_NAME, value: mine}\n"
		 "- {name: APP, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['app']\"}}}\n"
		 "- {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}\n"
		 "- {name: SA, valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}}\n"
		 "- {name: LATER, valueFrom: {configMapKeyRef: {name: x, key: y}}}\n");
	assert_int_equal(image_process(&f.arena, &f.c, NULL, &ip, NULL), 0);
	assert_string_equal(value_of(ip.env, "B"), "one-two");
	assert_string_equal(value_of(ip.env, "POD_NAME"), "mine");
	assert_string_equal(value_of(ip.env, "APP"), "web");
	assert_string_equal(value_of(ip.env, "IP"), "10.244.1.5");
	assert_string_equal(value_of(ip.env, "SA"), "web");
	assert_string_equal(value_of(ip.env, "LATER"), "");
	assert_string_equal(value_of(ip.env, "POD_UID"), "u-1");
	assert_string_equal(value_of(ip.env, "SIDESTEP_LAB_COUNTS"), "/lab/counts/shop_web-1.json");
	assert_null(value_of(ip.env, "SIDESTEP_LAB_DNS"));
	f.c.restarts = 2;
	assert_int_equal(image_process(&f.arena, &f.c, NULL, &ip, NULL), 0);
	assert_string_equal(value_of(ip.env, "SIDESTEP_LAB_COUNTS"),
			    "/lab/counts/shop_web-1.2.json");
	assert_int_equal(ip.uid, 1337);
	assert_int_equal(ip.gid, 0);
	arena_release(&f.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_an_image_and_a_command_become),
		cmocka_unit_test(environment_and_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/kubelet/image.h"

#include <libgen.h>
#include <string.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/base/vec.h"

static const struct {
	const char *image, *role;
} images[] = {
	{"sidestep.dev/lab/workload", "workload"},
	{"sidestep.dev/lab/istio-proxy", "istio-proxy"},
	{"sidestep.dev/lab/istio-init", "istio-init"},
};

static const struct {
	const char *program, *role;
} programs[] = {
	{"workload", "workload"},         {"pilot-agent", "istio-proxy"},
	{"istio-proxy", "istio-proxy"},   {"istio-init", "istio-init"},
	{"istio-iptables", "istio-init"},
};

/* Programs of the product, found beside this one. */
static const char *const siblings[] = {"sidestep-migrate"};

#define PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct words {
	struct arena *arena;
	VEC(const char *) v;
};

static void push(struct words *w, const char *s)
{
	vec_push(&w->v, s);
}

static const char **take(struct words *w)
{
	const char **out;

	vec_push(&w->v, NULL);
	out = arena_memdup(w->arena, w->v.items, w->v.n * sizeof(*out));
	vec_release(&w->v);
	return out;
}

static const char *role_of_image(const char *image)
{
	for (size_t i = 0; i < ARRAY_SIZE(images); i++) {
		const size_t n = strlen(images[i].image);

		if (strncmp(images[i].image, image, n) == 0 &&
		    (image[n] == ':' || image[n] == '\0'))
			return images[i].role;
	}
	return NULL;
}

static const char *role_of_program(struct arena *a, const char *program)
{
	const char *name = basename(arena_strdup(a, program));

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if (str_eq(programs[i].program, name))
			return programs[i].role;
	return NULL;
}

/* "sidestep.dev/sidestepd:1.2.3" -> "sidestepd" */
static const char *entry_point(struct arena *a, const char *image)
{
	const char *name = basename(arena_strdup(a, image));

	return arena_strndup(a, name, strcspn(name, ":"));
}

/* The program in the folder of its image; NULL when it is not from there. */
static const char *of_image(struct arena *a, const struct container *c, const char *program)
{
	const char *path = c->bin_dir && program && !strchr(program, '/')
				   ? arena_printf(a, "%s/%s", c->bin_dir, program)
				   : NULL;

	return path && io_exists(path) ? path : NULL;
}

static const char *sibling(struct arena *a, const struct container *c, const char *program)
{
	for (size_t i = 0; program && i < ARRAY_SIZE(siblings); i++)
		if (str_eq(siblings[i], program))
			return arena_printf(a, "%s/%s", dirname(arena_strdup(a, c->pod->k->o.self)),
					    program);
	return NULL;
}

const char *image_expand(struct arena *a, const char *text, const char *const *env)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	for (const char *p = text; *p; p++) {
		const char *end = p[0] == '$' && p[1] == '(' ? strchr(p, ')') : NULL;
		const size_t n = end ? (size_t)(end - p - 2) : 0;
		const char *const *e = env;

		if (p[0] == '$' && p[1] == '$')
			p++;
		while (end && *e && !(strncmp(*e, p + 2, n) == 0 && (*e)[n] == '='))
			e++;
		if (end && *e) {
			strbuf_adds(&sb, *e + n + 1);
			p = end;
		} else {
			strbuf_addc(&sb, *p);
		}
	}
	return arena_strdup(a, strbuf_cstr(&sb));
}

static bool is_set(const struct words *w, const char *name)
{
	const size_t n = strlen(name);

	for (size_t i = 0; i < w->v.n; i++)
		if (strncmp(w->v.items[i], name, n) == 0 && w->v.items[i][n] == '=')
			return true;
	return false;
}

static const char *field(const struct pod *p, const char *path)
{
	if (str_eq(path, "status.podIP"))
		return p->ip;
	if (str_eq(path, "status.hostIP"))
		return p->k->o.node_ip;
	if (str_eq(path, "spec.nodeName"))
		return p->k->o.node;
	return p->object && path ? doc_find_str(p->object->doc, path) : NULL;
}

static void add_environment(struct words *w, const struct container *c)
{
	doc_foreach_item (doc_get(c->spec, "env"), e) {
		const char *name = doc_str(doc_get(e, "name")),
			   *value = doc_str(doc_get(e, "value"));

		if (!name)
			continue;
		vec_push(&w->v, NULL); /* keeps the list readable for expansion */
		w->v.n--;
		if (!value)
			value = field(c->pod, doc_find_str(e, "valueFrom.fieldRef.fieldPath"));
		else
			value = image_expand(w->arena, value, w->v.items);
		push(w, arena_printf(w->arena, "%s=%s", name, str_or_empty(value)));
	}
}

/* One file for each run: what a killed container counted is not written over by the next. */
static const char *counts_file(struct arena *a, const struct container *c)
{
	const struct pod *p = c->pod;

	if (c->restarts == 0)
		return arena_printf(a, "%s/counts/%s_%s.json", p->k->o.lab, p->ns, p->name);
	return arena_printf(a, "%s/counts/%s_%s.%u.json", p->k->o.lab, p->ns, p->name, c->restarts);
}

static bool mounts_token(const struct pod *p)
{
	return doc_bool_or(doc_get(p->spec, "automountServiceAccountToken"), false);
}

static const char **environment(struct arena *a, const struct container *c)
{
	const struct pod *p = c->pod;
	const char *account = doc_find_str(p->spec, "serviceAccountName");
	const struct {
		const char *name, *value;
	} always[] = {
		{"PATH", c->bin_dir ? arena_printf(a, "%s:" PATH, c->bin_dir) : PATH},
		{"HOME", "/"},
		{"HOSTNAME", p->name},
		{"POD_NAME", p->name},
		{"POD_NAMESPACE", p->ns},
		{"POD_UID", p->uid},
		{"POD_IP", p->ip},
		{"HOST_IP", p->k->o.node_ip},
		{"NODE_NAME", p->k->o.node},
		{"SERVICE_ACCOUNT", account ? account : "default"},
		/* What stands for the token of its account, which this lab's server gives to
		   nobody. */
		{"KUBECONFIG", mounts_token(p) ? p->k->o.kubeconfig : NULL},
		{"SIDESTEP_LAB", p->k->o.lab},
		{"SIDESTEP_LAB_DNS", p->k->o.dns},
		{"SIDESTEP_LAB_CONTAINER", c->name},
		{"SIDESTEP_LAB_COUNTS", counts_file(a, c)},
	};
	struct words w = {.arena = a};

	add_environment(&w, c);
	for (size_t i = 0; i < ARRAY_SIZE(always); i++)
		if (!is_set(&w, always[i].name) && always[i].value)
			push(&w, arena_printf(a, "%s=%s", always[i].name, always[i].value));
	return take(&w);
}

static void push_list(struct words *w, const struct doc *list, size_t from, const char *const *env)
{
	for (size_t i = from; i < doc_len(list); i++)
		push(w, image_expand(w->arena, str_or_empty(doc_str(doc_at(list, i))), env));
}

/* The program and what of command and args follows it. */
static int arguments(struct arena *a, const struct container *c, const struct doc *command,
		     const struct doc *args, const char *const *env, struct image_process *out,
		     struct error *err)
{
	const char *image = doc_str(doc_get(c->spec, "image"));
	const char *first = doc_str(doc_at(command, 0)), *first_arg = doc_str(doc_at(args, 0));
	const char *role = first ? role_of_program(a, first) : role_of_image(str_or_empty(image));
	const char *program = first || !c->bin_dir ? first : entry_point(a, str_or_empty(image));
	const char *ours = of_image(a, c, program);
	struct words w = {.arena = a};
	size_t skip = 0;

	if (!ours)
		ours = sibling(a, c, first);
	/* The proxy's image is also the init container's, told apart by its first argument. */
	if (!first && first_arg && strcmp(first_arg, "istio-iptables") == 0) {
		role = "istio-init";
		skip = 1;
	}
	if (!first && !role && !ours)
		return error_set(
			err, -ENOMEDIUM,
			"image %s: the lab pulls no images, it knows only sidestep.dev/lab/...; "
			"with a command, the machine's own programs run",
			str_or_empty(image));
	if (role) {
		push(&w, c->pod->k->o.self);
		push(&w, role);
	}
	if (ours)
		push(&w, ours);
	push_list(&w, command, first && (role || ours) ? 1 : 0, env);
	push_list(&w, args, skip, env);
	out->argv = take(&w);
	return 0;
}

static uint32_t user(const struct container *c, const char *key)
{
	const struct doc *own = doc_get(doc_get(c->spec, "securityContext"), key);
	const struct doc *pod = doc_get(doc_get(c->pod->spec, "securityContext"), key);

	return (uint32_t)doc_int_or(own, doc_int_or(pod, 0));
}

int image_process(struct arena *a, const struct container *c, const struct doc *exec,
		  struct image_process *out, struct error *err)
{
	out->env = environment(a, c);
	out->uid = user(c, "runAsUser");
	out->gid = user(c, "runAsGroup");
	if (exec && doc_len(exec) == 0)
		return error_set(err, -EINVAL, "the command is empty");
	return arguments(a, c, exec ? exec : doc_get(c->spec, "command"),
			 exec ? NULL : doc_get(c->spec, "args"), (const char *const *)out->env, out,
			 err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a change will do: the table of kinds and fields. */
#include "upgrade/config_effect.h"

#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"

static const struct {
	const char *name, *risk, *what;
} effects[CONFIG_EFFECT_COUNT] = {
#define CONFIG_EFFECT_ROW(symbol, name, risk, what) [symbol] = {name, risk, what},
	CONFIG_EFFECTS(CONFIG_EFFECT_ROW)
#undef CONFIG_EFFECT_ROW
};

struct rule {
	const char *group, *kind;
	const char *under; /* the change is at or below this place; "" = anywhere but metadata */
	enum config_effect effect;
};

/* The first row that fits decides. */
static const struct rule rules[] = {
	/* immutable in k8s.io/kubernetes pkg/apis/.../validation.go */
	{"apps", "Deployment", "spec.selector", EFFECT_REFUSED},
	{"apps", "StatefulSet", "spec.selector", EFFECT_REFUSED},
	{"apps", "StatefulSet", "spec.serviceName", EFFECT_REFUSED},
	{"apps", "StatefulSet", "spec.volumeClaimTemplates", EFFECT_REFUSED},
	{"apps", "StatefulSet", "spec.podManagementPolicy", EFFECT_REFUSED},
	{"apps", "DaemonSet", "spec.selector", EFFECT_REFUSED},
	{"batch", "Job", "spec.template", EFFECT_REFUSED},
	{"batch", "Job", "spec.selector", EFFECT_REFUSED},
	{"", "Service", "spec.clusterIP", EFFECT_REFUSED},
	{"", "Secret", "type", EFFECT_REFUSED},
	{"rbac.authorization.k8s.io", "RoleBinding", "roleRef", EFFECT_REFUSED},
	{"rbac.authorization.k8s.io", "ClusterRoleBinding", "roleRef", EFFECT_REFUSED},
	{"apiextensions.k8s.io", "CustomResourceDefinition", "spec.scope", EFFECT_REFUSED},
	{"apps", "Deployment", "spec.template", EFFECT_ROLLOUT},
	{"apps", "StatefulSet", "spec.template", EFFECT_ROLLOUT},
	{"apps", "DaemonSet", "spec.template", EFFECT_ROLLOUT},
	{"networking.k8s.io", "NetworkPolicy", "", EFFECT_POLICY},
	{"cilium.io", "CiliumNetworkPolicy", "", EFFECT_POLICY},
	{"cilium.io", "CiliumClusterwideNetworkPolicy", "", EFFECT_POLICY},
	/* a namespace's labels are part of what its pods are */
	{"", "Namespace", "metadata.labels", EFFECT_POLICY},
	{"", "Service", "spec", EFFECT_SERVICE},
	{"cilium.io", "CiliumEnvoyConfig", "", EFFECT_L7},
	{"cilium.io", "CiliumClusterwideEnvoyConfig", "", EFFECT_L7},
	{"networking.k8s.io", "Ingress", "", EFFECT_L7},
	{"gateway.networking.k8s.io", "Gateway", "", EFFECT_L7},
	{"gateway.networking.k8s.io", "HTTPRoute", "", EFFECT_L7},
	{"gateway.networking.k8s.io", "GRPCRoute", "", EFFECT_L7},
	{"gateway.networking.k8s.io", "TLSRoute", "", EFFECT_L7},
};

/* Kinds that hold more than what their manifests say. */
bool config_holds_data(const char *kind)
{
	static const char *const kinds[] = {"Namespace", "CustomResourceDefinition",
					    "PersistentVolume", "PersistentVolumeClaim"};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (str_eq(kind, kinds[i]))
			return true;
	return false;
}

/* The workload that is our agent, by its usual label or name. */
static bool is_agent(const struct diff_object *o)
{
	const struct doc *d = o->desired ? o->desired : o->live;
	const char *label =
		doc_str(doc_get(doc_find(d, "metadata.labels"), "app.kubernetes.io/name"));

	return str_eq(o->kind, "DaemonSet") &&
	       (str_eq(label, "sidestepd") || str_eq(o->name, "sidestepd"));
}

static bool of_kind(const struct rule *r, const struct diff_object *o)
{
	const size_t n = strlen(r->group);

	if (!str_eq(r->kind, o->kind))
		return false;
	if (n == 0)
		return strchr(o->api_version, '/') == NULL;
	return strncmp(o->api_version, r->group, n) == 0 && o->api_version[n] == '/';
}

static bool at_or_below(const char *text, const char *under)
{
	const size_t n = strlen(under);

	if (n == 0)
		return !str_starts(text, "metadata");
	return strncmp(text, under, n) == 0 && (!text[n] || strchr(".[", text[n]));
}

/* A row for a field says nothing of an object that comes or goes: it is refused, or not there. */
static bool fits(const struct rule *r, const struct diff_change *c, const char *text)
{
	if (!c->path)
		return r->effect != EFFECT_REFUSED;
	return at_or_below(text, r->under);
}

enum config_effect config_effect_of(const struct diff_object *o, const struct diff_change *c)
{
	struct arena a = ARENA_INIT;
	const char *text = diff_path_text(&a, c->path);
	enum config_effect e = EFFECT_NONE;

	for (size_t i = 0; i < ARRAY_SIZE(rules) && diff_class_pending(c->class); i++)
		if (of_kind(&rules[i], o) && fits(&rules[i], c, text)) {
			e = rules[i].effect;
			break;
		}
	arena_release(&a);
	if (!c->path && c->op == DIFF_REMOVE && diff_class_pending(c->class) &&
	    config_holds_data(o->kind))
		return EFFECT_LOST;
	if (e != EFFECT_ROLLOUT)
		return e;
	if (!c->path)
		return c->op == DIFF_REMOVE ? EFFECT_END : EFFECT_NONE;
	return is_agent(o) ? EFFECT_AGENT : EFFECT_ROLLOUT;
}

const char *config_effect_name(enum config_effect e)
{
	return effects[e].name;
}

const char *config_effect_risk(enum config_effect e)
{
	return effects[e].risk;
}

const char *config_effect_what(enum config_effect e)
{
	return effects[e].what;
}

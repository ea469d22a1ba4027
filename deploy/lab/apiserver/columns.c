/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/columns.h"

#include "deploy/lab/apiserver/when.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

#define NAME                                                                                       \
	{                                                                                          \
		"Name", "string", "name", "Name must be unique within a namespace.", 0, cell_name, \
			NULL                                                                       \
	}
#define AGE                                                                                        \
	{                                                                                          \
		"Age", "string", "", "Time since the object was created.", 0, cell_age, NULL       \
	}
#define TEXT(title, wide, fn, path)                                                                \
	{                                                                                          \
		title, "string", "", "", wide, fn, path                                            \
	}
#define NUMBER(title, path)                                                                        \
	{                                                                                          \
		title, "integer", "", "", 0, cell_number, path                                     \
	}
#define COLUMNS(list, ...)                                                                         \
	static const struct column list##_items[] = {__VA_ARGS__};                                 \
	const struct column_list list##_columns = {list##_items, ARRAY_SIZE(list##_items)}

/* ---- cells that read one path ---- */

static struct doc *or_none(const struct cell *c, const char *s, const char *none)
{
	return doc_string(c->arena, str_empty(s) ? none : s);
}

static struct doc *cell_text(const struct cell *c)
{
	return or_none(c, doc_find_str(c->object, c->column->path), "");
}

static struct doc *cell_text_or_none(const struct cell *c)
{
	return or_none(c, doc_find_str(c->object, c->column->path), "<none>");
}

static struct doc *cell_number(const struct cell *c)
{
	return doc_int(c->arena, doc_find_int(c->object, c->column->path, 0));
}

/* A number or percentage; absent is N/A. */
static struct doc *cell_int_or_string(const struct cell *c)
{
	const struct doc *v = doc_find(c->object, c->column->path);

	if (!v)
		return doc_string(c->arena, "N/A");
	if (v->kind == DOC_INT)
		return doc_stringf(c->arena, "%lld", (long long)v->integer);
	return doc_string(c->arena, str_or_empty(doc_str(v)));
}

static struct doc *cell_count(const struct cell *c)
{
	return doc_int(c->arena, (int64_t)doc_len(doc_find(c->object, c->column->path)));
}

static struct doc *cell_date(const struct cell *c)
{
	const char *at = doc_find_str(c->object, c->column->path);

	return or_none(c, at ? when_age(c->arena, at, c->now_s) : NULL, "<unknown>");
}

/* ---- lists joined ---- */

static struct doc *taken(const struct cell *c, struct strbuf *sb, const char *none)
{
	struct doc *d = or_none(c, strbuf_cstr(sb), none);

	strbuf_release(sb);
	return d;
}

static void join(struct strbuf *sb, const char *s)
{
	strbuf_addf(sb, "%s%s", sb->len ? "," : "", str_or_empty(s));
}

/* The field named by path of every container of the pod template. */
static struct doc *template_field(const struct cell *c, const char *field)
{
	struct strbuf sb = STRBUF_INIT;

	doc_foreach_item (doc_find(c->object, "spec.template.spec.containers"), it)
		join(&sb, doc_str(doc_get(it, field)));
	return taken(c, &sb, "");
}

static struct doc *cell_containers(const struct cell *c)
{
	return template_field(c, "name");
}

static struct doc *cell_images(const struct cell *c)
{
	return template_field(c, "image");
}

/* A map of labels as "a=b,c=d". */
static void join_map(struct strbuf *sb, const struct doc *map)
{
	doc_foreach_entry (map, e)
		strbuf_addf(sb, "%s%s=%s", sb->len ? "," : "", e->key,
			    str_or_empty(doc_str(e->value)));
}

static struct doc *cell_map(const struct cell *c)
{
	struct strbuf sb = STRBUF_INIT;

	join_map(&sb, doc_find(c->object, c->column->path));
	return taken(c, &sb, "<none>");
}

static void join_expression(struct strbuf *sb, const struct doc *e)
{
	const char *op = doc_str(doc_get(e, "operator")), *key = doc_str(doc_get(e, "key"));
	size_t n = 0;

	strbuf_adds(sb, sb->len ? "," : "");
	if (str_eq(op, "DoesNotExist")) {
		strbuf_addf(sb, "!%s", str_or_empty(key));
		return;
	}
	strbuf_adds(sb, str_or_empty(key));
	if (str_eq(op, "Exists"))
		return;
	strbuf_addf(sb, " %s (", str_eq(op, "In") ? "in" : "notin");
	doc_foreach_item (doc_get(e, "values"), v)
		strbuf_addf(sb, "%s%s", n++ ? "," : "", str_or_empty(doc_str(v)));
	strbuf_addc(sb, ')');
}

static struct doc *cell_selector(const struct cell *c)
{
	const struct doc *s = doc_find(c->object, c->column->path);
	struct strbuf sb = STRBUF_INIT;

	join_map(&sb, doc_get(s, "matchLabels"));
	doc_foreach_item (doc_get(s, "matchExpressions"), e)
		join_expression(&sb, e);
	return taken(c, &sb, "<none>");
}

/* ---- pods ---- */

static struct doc *cell_readiness_gates(const struct cell *c)
{
	const struct doc *gates = doc_find(c->object, "spec.readinessGates");
	size_t met = 0;

	if (!doc_len(gates))
		return doc_string(c->arena, "<none>");
	doc_foreach_item (gates, g)
		doc_foreach_item (doc_find(c->object, "status.conditions"), cond)
			met += str_eq(doc_str(doc_get(cond, "type")),
				      doc_str(doc_get(g, "conditionType"))) &&
			       str_eq(doc_str(doc_get(cond, "status")), "True");
	return doc_stringf(c->arena, "%zu/%zu", met, doc_len(gates));
}

COLUMNS(pod, NAME, TEXT("Ready", 0, cell_pod_ready, NULL), TEXT("Status", 0, cell_pod_status, NULL),
	TEXT("Restarts", 0, cell_pod_restarts, NULL), AGE,
	TEXT("IP", 1, cell_text_or_none, "status.podIP"),
	TEXT("Node", 1, cell_text_or_none, "spec.nodeName"),
	TEXT("Nominated Node", 1, cell_text_or_none, "status.nominatedNodeName"),
	TEXT("Readiness Gates", 1, cell_readiness_gates, NULL));

/* ---- services and endpoints ---- */

static struct doc *cell_external_ip(const struct cell *c)
{
	const char *type = doc_find_str(c->object, "spec.type");
	struct strbuf sb = STRBUF_INIT;

	if (str_eq(type, "ExternalName"))
		return or_none(c, doc_find_str(c->object, "spec.externalName"), "<none>");
	if (str_eq(type, "LoadBalancer"))
		doc_foreach_item (doc_find(c->object, "status.loadBalancer.ingress"), i)
			join(&sb, doc_str(doc_get(i, doc_get(i, "ip") ? "ip" : "hostname")));
	doc_foreach_item (doc_find(c->object, "spec.externalIPs"), ip)
		join(&sb, doc_str(ip));
	return taken(c, &sb, str_eq(type, "LoadBalancer") ? "<pending>" : "<none>");
}

static struct doc *cell_service_ports(const struct cell *c)
{
	struct strbuf sb = STRBUF_INIT;

	doc_foreach_item (doc_find(c->object, "spec.ports"), p) {
		int64_t node = doc_int_or(doc_get(p, "nodePort"), 0);

		strbuf_addf(&sb, "%s%lld", sb.len ? "," : "",
			    (long long)doc_int_or(doc_get(p, "port"), 0));
		if (node)
			strbuf_addf(&sb, ":%lld", (long long)node);
		strbuf_addf(&sb, "/%s", str_or_empty(doc_str(doc_get(p, "protocol"))));
	}
	return taken(c, &sb, "<none>");
}

COLUMNS(service, NAME, TEXT("Type", 0, cell_text, "spec.type"),
	TEXT("Cluster-IP", 0, cell_text_or_none, "spec.clusterIP"),
	TEXT("External-IP", 0, cell_external_ip, NULL),
	TEXT("Port(s)", 0, cell_service_ports, NULL), AGE,
	TEXT("Selector", 1, cell_map, "spec.selector"));

static struct doc *cell_endpoints(const struct cell *c)
{
	struct strbuf sb = STRBUF_INIT;
	size_t n = 0;

	doc_foreach_item (doc_get(c->object, "subsets"), set)
		doc_foreach_item (doc_get(set, "addresses"), addr)
			doc_foreach_item (doc_get(set, "ports"), port) {
				if (++n <= 3)
					strbuf_addf(
						&sb, "%s%s:%lld", sb.len ? "," : "",
						str_or_empty(doc_str(doc_get(addr, "ip"))),
						(long long)doc_int_or(doc_get(port, "port"), 0));
			}
	if (n > 3)
		strbuf_addf(&sb, " + %zu more...", n - 3);
	return taken(c, &sb, "<none>");
}

COLUMNS(endpoints, NAME, TEXT("Endpoints", 0, cell_endpoints, NULL), AGE);

static struct doc *cell_slice_ports(const struct cell *c)
{
	struct strbuf sb = STRBUF_INIT;

	doc_foreach_item (doc_get(c->object, "ports"), p)
		strbuf_addf(&sb, "%s%lld", sb.len ? "," : "",
			    (long long)doc_int_or(doc_get(p, "port"), 0));
	return taken(c, &sb, "<unset>");
}

static struct doc *cell_slice_endpoints(const struct cell *c)
{
	struct strbuf sb = STRBUF_INIT;
	size_t n = 0;

	doc_foreach_item (doc_get(c->object, "endpoints"), e)
		doc_foreach_item (doc_get(e, "addresses"), addr) {
			if (++n <= 3)
				join(&sb, doc_str(addr));
		}
	if (n > 3)
		strbuf_addf(&sb, " + %zu more...", n - 3);
	return taken(c, &sb, "<unset>");
}

COLUMNS(endpointslice, NAME, TEXT("AddressType", 0, cell_text, "addressType"),
	TEXT("Ports", 0, cell_slice_ports, NULL), TEXT("Endpoints", 0, cell_slice_endpoints, NULL),
	AGE);

static struct doc *cell_hosts(const struct cell *c)
{
	struct strbuf sb = STRBUF_INIT;

	doc_foreach_item (doc_find(c->object, "spec.rules"), r)
		if (doc_get(r, "host"))
			join(&sb, doc_str(doc_get(r, "host")));
	return taken(c, &sb, "*");
}

static struct doc *cell_ingress_ports(const struct cell *c)
{
	return doc_string(c->arena, doc_len(doc_find(c->object, "spec.tls")) ? "80, 443" : "80");
}

static struct doc *cell_ingress_address(const struct cell *c)
{
	struct strbuf sb = STRBUF_INIT;

	doc_foreach_item (doc_find(c->object, "status.loadBalancer.ingress"), i)
		join(&sb, doc_str(doc_get(i, doc_get(i, "ip") ? "ip" : "hostname")));
	return taken(c, &sb, "");
}

COLUMNS(ingress, NAME, TEXT("Class", 0, cell_text_or_none, "spec.ingressClassName"),
	TEXT("Hosts", 0, cell_hosts, NULL), TEXT("Address", 0, cell_ingress_address, NULL),
	TEXT("Ports", 0, cell_ingress_ports, NULL), AGE);

COLUMNS(netpol, NAME, TEXT("Pod-Selector", 0, cell_selector, "spec.podSelector"), AGE);

/* ---- workloads ---- */

#define TEMPLATE              TEXT("Containers", 1, cell_containers, NULL), TEXT("Images", 1, cell_images, NULL)
#define TEMPLATE_AND_SELECTOR TEMPLATE, TEXT("Selector", 1, cell_selector, "spec.selector")

static struct doc *cell_ready_of_replicas(const struct cell *c)
{
	return doc_stringf(c->arena, "%lld/%lld",
			   (long long)doc_find_int(c->object, "status.readyReplicas", 0),
			   (long long)doc_find_int(c->object, "spec.replicas", 0));
}

COLUMNS(deployment, NAME, TEXT("Ready", 0, cell_ready_of_replicas, NULL),
	NUMBER("Up-to-date", "status.updatedReplicas"),
	NUMBER("Available", "status.availableReplicas"), AGE, TEMPLATE_AND_SELECTOR);

COLUMNS(replicaset, NAME, NUMBER("Desired", "spec.replicas"), NUMBER("Current", "status.replicas"),
	NUMBER("Ready", "status.readyReplicas"), AGE, TEMPLATE_AND_SELECTOR);

COLUMNS(daemonset, NAME, NUMBER("Desired", "status.desiredNumberScheduled"),
	NUMBER("Current", "status.currentNumberScheduled"), NUMBER("Ready", "status.numberReady"),
	NUMBER("Up-to-date", "status.updatedNumberScheduled"),
	NUMBER("Available", "status.numberAvailable"),
	TEXT("Node Selector", 0, cell_map, "spec.template.spec.nodeSelector"), AGE,
	TEMPLATE_AND_SELECTOR);

COLUMNS(statefulset, NAME, TEXT("Ready", 0, cell_ready_of_replicas, NULL), AGE, TEMPLATE);

static struct doc *cell_completions(const struct cell *c)
{
	return doc_stringf(c->arena, "%lld/%lld",
			   (long long)doc_find_int(c->object, "status.succeeded", 0),
			   (long long)doc_find_int(c->object, "spec.completions", 1));
}

COLUMNS(job, NAME, TEXT("Completions", 0, cell_completions, NULL), AGE, TEMPLATE_AND_SELECTOR);

COLUMNS(pdb, NAME, TEXT("Min Available", 0, cell_int_or_string, "spec.minAvailable"),
	TEXT("Max Unavailable", 0, cell_int_or_string, "spec.maxUnavailable"),
	NUMBER("Allowed Disruptions", "status.disruptionsAllowed"), AGE);

/* ---- nodes and namespaces ---- */

static struct doc *cell_node_status(const struct cell *c)
{
	const char *ready = "Unknown";

	doc_foreach_item (doc_find(c->object, "status.conditions"), cond)
		if (str_eq(doc_str(doc_get(cond, "type")), "Ready"))
			ready = str_eq(doc_str(doc_get(cond, "status")), "True") ? "Ready"
										 : "NotReady";
	if (doc_bool_or(doc_find(c->object, "spec.unschedulable"), false))
		return doc_stringf(c->arena, "%s,SchedulingDisabled", ready);
	return doc_string(c->arena, ready);
}

static struct doc *cell_node_roles(const struct cell *c)
{
	static const char prefix[] = "node-role.kubernetes.io/";
	struct strbuf sb = STRBUF_INIT;

	doc_foreach_entry (doc_find(c->object, "metadata.labels"), l)
		if (str_starts(l->key, prefix))
			join(&sb, l->key + sizeof(prefix) - 1);
	return taken(c, &sb, "<none>");
}

static struct doc *node_address(const struct cell *c, const char *type)
{
	doc_foreach_item (doc_find(c->object, "status.addresses"), addr)
		if (str_eq(doc_str(doc_get(addr, "type")), type))
			return or_none(c, doc_str(doc_get(addr, "address")), "<none>");
	return doc_string(c->arena, "<none>");
}

static struct doc *cell_internal_ip(const struct cell *c)
{
	return node_address(c, "InternalIP");
}

static struct doc *cell_node_external_ip(const struct cell *c)
{
	return node_address(c, "ExternalIP");
}

COLUMNS(node, NAME, TEXT("Status", 0, cell_node_status, NULL),
	TEXT("Roles", 0, cell_node_roles, NULL), AGE,
	TEXT("Version", 0, cell_text, "status.nodeInfo.kubeletVersion"),
	TEXT("Internal-IP", 1, cell_internal_ip, NULL),
	TEXT("External-IP", 1, cell_node_external_ip, NULL),
	TEXT("OS-Image", 1, cell_text_or_none, "status.nodeInfo.osImage"),
	TEXT("Kernel-Version", 1, cell_text_or_none, "status.nodeInfo.kernelVersion"),
	TEXT("Container-Runtime", 1, cell_text_or_none, "status.nodeInfo.containerRuntimeVersion"));

COLUMNS(namespace, NAME, TEXT("Status", 0, cell_text, "status.phase"), AGE);

/* ---- the rest ---- */

static struct doc *cell_data_count(const struct cell *c)
{
	return doc_int(c->arena, (int64_t)(doc_len(doc_get(c->object, "data")) +
					   doc_len(doc_get(c->object, "binaryData"))));
}

COLUMNS(configmap, NAME, {"Data", "integer", "", "", 0, cell_data_count, NULL}, AGE);
COLUMNS(secret, NAME, TEXT("Type", 0, cell_text, "type"),
	{"Data", "integer", "", "", 0, cell_data_count, NULL}, AGE);
COLUMNS(serviceaccount, NAME, {"Secrets", "integer", "", "", 0, cell_count, "secrets"}, AGE);
COLUMNS(lease, NAME, TEXT("Holder", 0, cell_text, "spec.holderIdentity"), AGE);
COLUMNS(webhook, NAME, {"Webhooks", "integer", "", "", 0, cell_count, "webhooks"}, AGE);
COLUMNS(crd, NAME, TEXT("Created At", 0, cell_text, "metadata.creationTimestamp"));
COLUMNS(role, NAME, TEXT("Created At", 0, cell_text, "metadata.creationTimestamp"));

static struct doc *cell_role_ref(const struct cell *c)
{
	return doc_stringf(c->arena, "%s/%s", str_or_empty(doc_find_str(c->object, "roleRef.kind")),
			   str_or_empty(doc_find_str(c->object, "roleRef.name")));
}

COLUMNS(binding, NAME, TEXT("Role", 0, cell_role_ref, NULL), AGE);

static struct doc *cell_event_object(const struct cell *c)
{
	auto_free char *kind =
		xstrdup(str_or_empty(doc_find_str(c->object, "involvedObject.kind")));

	for (char *p = kind; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	return doc_stringf(c->arena, "%s/%s", kind,
			   str_or_empty(doc_find_str(c->object, "involvedObject.name")));
}

static struct doc *cell_event_seen(const struct cell *c)
{
	const char *at = doc_find_str(c->object, "series.lastObservedTime");

	if (!at)
		at = doc_find_str(c->object, "lastTimestamp");
	if (!at)
		at = doc_find_str(c->object, "eventTime");
	return or_none(c, at ? when_age(c->arena, at, c->now_s) : NULL, "<unknown>");
}

COLUMNS(event, TEXT("Last Seen", 0, cell_event_seen, NULL), TEXT("Type", 0, cell_text, "type"),
	TEXT("Reason", 0, cell_text, "reason"), TEXT("Object", 0, cell_event_object, NULL),
	TEXT("Subobject", 1, cell_text, "involvedObject.fieldPath"),
	TEXT("Source", 1, cell_text, "source.component"), TEXT("Message", 0, cell_text, "message"),
	TEXT("First Seen", 1, cell_date, "firstTimestamp"),
	{"Count", "integer", "", "", 1, cell_number, "count"}, TEXT("Name", 1, cell_name, NULL));

/* SPDX-License-Identifier: Apache-2.0 */
#include "runbooks/known.h"

#include <string.h>

#include "lib/base/str.h"
#include "lib/flow/flow.h"

/* clang-format off */
static const struct known_source sources[] = {
	{"agents", true, false, "", "one row per node: whether its agent is there and ready, its version, generation, restarts"},
	{"auth", false, false, "namespace", "pairs of identities with their authentication: state, expiry, last failure"},
	{"certificates", false, false, "owner=agents,flows", "certificates by owner: not_after, remaining, names, issuer, trust domain"},
	{"connections", false, false, "node state", "remembered connections of a node, by state"},
	{"endpoints", true, false, "namespace problem=any", "one row per endpoint: state, generation, node, what stands in its way"},
	{"events", false, true, "namespace", "Kubernetes events of a namespace or an object"},
	{"flows", true, true, "namespace verdict=FORWARDED,DROPPED,AUDIT drop_reason fault=true begin=hop", "flows by verdict, drop reason (enumerated name) and identities; fault: reasons that are no decision of a policy; begin: since the newest upgrade within that time"},
	{"hooks", true, false, "foreign=true", "programs attached to a node's interfaces that are not its agent's"},
	{"logs", false, false, "namespace pod container", "the last lines of a container, redacted"},
	{"maps", true, false, "problem=any", "BPF maps of a node: entries, capacity, failed updates"},
	{"nodes", false, false, "", "one row per node: ready, addresses, taints, pressure"},
	{"policies", false, true, "namespace asks=authentication", "policies with their selectors, what they ask, and when they changed; since: those that changed within it"},
	{"probe", false, false, "kind=request,handshake,pod-start namespace nodes=all", "a request or handshake made on purpose, and what came back"},
	{"proxy", false, true, "", "node Envoys: ready, version, listeners against redirects, rejected resources"},
	{"relay", false, false, "namespace", "the flow relay: reachable, peers connected and missing, last error"},
	{"rollout", false, false, "namespace kind=DaemonSet,Deployment role=agent,proxy,operator", "a DaemonSet or Deployment: desired, updated, ready, per node version"},
	{"snapshot", false, true, "compare=now", "what was recorded before a change, for comparison"},
	{"spire", false, false, "namespace part=server,agents,entries,identities", "SPIRE server and agents: ready, storage, entries, time left on identities"},
};

/* What the answer of a source, or of another kind of step, has; a source has these, too. */
#define EVERY_SOURCE "count rows unseen more missing_nodes silent_nodes "
static const struct {
	const char *of, *fields;
} answers[] = {
	{"agents", EVERY_SOURCE "ready not_ready lost recording unwell_nodes versions"},
	{"auth", EVERY_SOURCE "failed"},
	{"certificates", EVERY_SOURCE "clock_skew expired trust_domains wrong_names"},
	{"connections", EVERY_SOURCE},
	{"endpoints", EVERY_SOURCE "all missing not_ready sidecars stale"},
	{"events", EVERY_SOURCE "warnings"},
	{"flows", EVERY_SOURCE "since_run total"},
	{"hooks", EVERY_SOURCE},
	{"logs", EVERY_SOURCE "text"},
	{"maps", EVERY_SOURCE "failed_updates full"},
	{"nodes", EVERY_SOURCE "ready"},
	{"policies", EVERY_SOURCE "changed changed_names wider_than_meant"},
	{"probe", EVERY_SOURCE "failed forbidden_let_through refused_by_network wrong"},
	{"proxy", EVERY_SOURCE "affected_nodes listeners_missing not_ready out_of_memory rejected stream_refused version_skew"},
	{"relay", EVERY_SOURCE "connected missing reachable"},
	{"rollout", EVERY_SOURCE "desired missing ready updated"},
	{"snapshot", EVERY_SOURCE "differences"},
	{"spire", EVERY_SOURCE "least_remaining limit_bytes missing not_ready not_ready_nodes out_of_memory ready storage_failed"},
	{"check", "result message exit"},
	{"command", "exit output json error cut verified result"},
	{"k8s", "found object count rows more unseen"},
	{"http", "status body json"},
	{"wait", "met"},
	{"approve", "approved by"},
	{"ask", "value"},
	{"foreach", "count failed verified"},
	{"parallel", "count failed verified"},
	{"call", "outcome cause exit"},
	{"note", "says"},
	{"mutate", "verified result would"},
};

/* Those of sidestep-preflight. */
static const char *const checks[] = {
	"BPF-001", "BPF-002", "BPF-004", "BPF-005", "BPF-006", "BPF-009", "BPF-010", "BPF-011", "BPF-016", "CNI-001", "FS-001", "FS-003",
	"IST-001", "IST-002", "IST-003", "IST-004", "IST-006", "K8S-003", "K8S-004", "K8S-008", "KRN-001", "NET-002", "NET-006", "PRT-001",
	"SYS-001", "SYS-002", "SYS-005", "SYS-008", "SYS-011",
};

static const struct known_operation operations[] = {
	{"k8s.patch", "ref patch", "preserve", true, RISK_MEDIUM, "patches one object; its pre-image is kept"},
	{"k8s.apply", "object", "", true, RISK_HIGH, "applies one object on the server's side"},
	{"k8s.delete", "ref", "", true, RISK_HIGH, "deletes one object; its pre-image is kept"},
	{"k8s.restart", "ref", "nodes", false, RISK_LOW, "rolls a workload's pods; of one node: takes them from it, risk medium"},
	{"k8s.evict", "selector", "namespace nodes", false, RISK_HIGH, "evicts pods, asking their disruption budgets"},
	{"endpoint.regenerate", "selector", "nodes", false, RISK_LOW, "rebuilds endpoints, their generation must advance; selector all, or stale-or-not-ready: every endpoint of the nodes that have such a one"},
	{"policy.suspend", "ref", "", true, RISK_HIGH, "takes a policy out of force until the run is rolled back; its pre-image is kept"},
	{"command", "argv", "output expect", false, RISK_MEDIUM, "runs one allowed program that changes something"},
};

static const struct known_command commands[] = {
	{"uname -a", false, false, false, NULL},
	{"df -P", true, false, false, NULL},
	{"findmnt --json", false, false, false, NULL},
	{"dmesg --ctime --level=err,warn", false, false, false, NULL},
	{"journalctl --no-pager --output=short-iso --lines=200 --unit", true, false, false, NULL},
	{"systemctl show --no-pager", true, false, false, NULL},
	{"ip -json -details link show", true, false, false, NULL},
	{"ip -json address show", true, false, false, NULL},
	{"ip -json route show", true, false, false, NULL},
	{"ip -json neighbour show", true, false, false, NULL},
	{"ss -H -s", false, false, false, NULL},
	{"ss -H -t -a -n", false, false, false, NULL},
	{"tc -json qdisc show", true, false, false, NULL},
	{"tc -json filter show", true, false, false, NULL},
	{"bpftool -j net show", false, false, false, NULL},
	{"bpftool -j link show", false, false, false, NULL},
	{"bpftool -j map show", false, false, false, NULL},
	{"bpftool -j prog show", false, false, false, NULL},
	{"sidestep status -o json", false, false, false, NULL},
	{"sidestep endpoint list -o json", false, false, false, NULL},
	{"sidestep identity list -o json", false, false, false, NULL},
	{"sidestep bpf ct list -o json", false, false, false, NULL},
	{"sidestep bpf policy list -o json", false, false, false, NULL},
	{"sidestep-preflight run --passive -o json --only", true, false, false, NULL},
	{"sidestep-preflight run --passive --node-only -o json", false, false, false, NULL},
	{"sidestep migrate plan -o json", true, false, false, NULL},
	{"sidestep migrate status -o json", true, false, false, NULL},
	{"sidestep migrate verify -o json", true, false, false, NULL},
	{"sidestep upgrade plan -o json --to", true, false, false, NULL},
	{"sidestep upgrade status -o json", false, false, false, NULL},
	{"sidestep migrate run --yes", true, true, true, "sidestep migrate resume --yes"},
	{"sidestep migrate resume --yes", true, true, true, NULL},
	{"sidestep migrate rollback --yes", true, true, true, NULL},
	{"sidestep upgrade run --yes --to", true, true, true, "sidestep upgrade resume --yes"},
	{"sidestep upgrade resume --yes", false, true, true, NULL},
	{"sidestep upgrade resume --yes --finalize", false, true, true, NULL},
	{"sidestep upgrade rollback --yes", false, true, true, NULL},
	{"sidestep endpoint regenerate", true, true, false, NULL},
	{"systemctl restart", true, true, false, NULL},
};
/* clang-format on */

static const char *const interpreters[] = {
	"ash",     "awk",  "bash", "busybox", "chroot",  "csh",     "dash",    "docker", "env",
	"find",    "fish", "gawk", "kubectl", "ksh",     "lua",     "nerdctl", "nice",   "node",
	"nsenter", "perl", "php",  "python",  "python3", "ruby",    "script",  "sed",    "setsid",
	"sh",      "ssh",  "su",   "sudo",    "tclsh",   "timeout", "unshare", "xargs",  "zsh",
};

/* What a runbook may write, with an approval; everything else is for other tools. */
static const char *const writable[] = {
	"CiliumClusterwideEnvoyConfig",
	"CiliumClusterwideNetworkPolicy",
	"CiliumEnvoyConfig",
	"CiliumNetworkPolicy",
	"ConfigMap",
	"DaemonSet",
	"Deployment",
	"Namespace",
	"NetworkPolicy",
	"SidestepRequest",
	"StatefulSet",
};

static const char *const discoveries[] = {"hubble.namespace", "mesh.namespace", "proxy.namespace",
					  "spire.namespace", "version"};

const struct known_source *known_source_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		if (str_eq(sources[i].name, name))
			return &sources[i];
	}
	return NULL;
}

/* The rest of the row's word for this field, from behind its name on; NULL: there is none. */
static const char *filter_word(const struct known_source *s, const char *field)
{
	const size_t n = strlen(field);

	for (const char *w = s->filters; *w; w += strcspn(w, " "), w += *w == ' ')
		if (!strncmp(w, field, n) && strchr(" =", w[n]))
			return w + n;
	return NULL;
}

/* "=any,all" has the value; a template is filled in later, and then asked again. */
static bool is_one_of(const char *word, const char *value)
{
	const size_t n = strlen(value);

	if (*word != '=' || strstr(value, "${"))
		return true;
	for (const char *v = word; *v == '=' || *v == ',';) {
		const size_t len = strcspn(++v, ", ");

		if (len == n && !strncmp(v, value, n))
			return true;
		v += len;
	}
	return false;
}

static bool is_reason(const char *name)
{
	for (unsigned i = 0; i <= UINT8_MAX; i++)
		if (str_eq(flow_reason_name((uint8_t)i), name))
			return true;
	return strstr(name, "${");
}

const char *known_filter_refused(struct arena *a, const struct known_source *s,
				 const struct doc *filter)
{
	if (filter && filter->kind != DOC_MAP && filter->kind != DOC_NULL)
		return "a filter is a map of fields to texts";
	doc_foreach_entry (filter, e) {
		const char *word = filter_word(s, e->key);
		const char *value = doc_str(e->value);

		if (!word)
			return arena_printf(a, "source %s is not filtered by %s%s%s", s->name,
					    e->key, *s->filters ? ", but by: " : "", s->filters);
		if (!value)
			return arena_printf(a, "filter %s is no text", e->key);
		if (!is_one_of(word, value) || (str_eq(e->key, "drop_reason") && !is_reason(value)))
			return arena_printf(a, "source %s has no %s %s (its filters: %s)", s->name,
					    e->key, value, s->filters);
	}
	return NULL;
}

const char *known_answer_refused(struct arena *a, const struct runbook_step *s, const char *field)
{
	const char *of = s->kind == STEP_QUERY   ? s->query ? s->query->source : NULL
			 : s->kind == STEP_FLOWS ? "flows"
						 : step_kinds[s->kind].name;

	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		if (!str_eq(answers[i].of, of))
			continue;
		if (strstr(arena_printf(a, " %s ", answers[i].fields),
			   arena_printf(a, " %s ", field)))
			return NULL;
		return arena_printf(a, "what %s answers has no %s, only: %s", of, field,
				    answers[i].fields);
	}
	return NULL;
}

bool known_check(const char *id)
{
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		if (str_eq(checks[i], id))
			return true;
	}
	return false;
}

const struct known_operation *known_operation_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
		if (str_eq(operations[i].name, name))
			return &operations[i];
	}
	return NULL;
}

/* How many words of row argv begins with; 0 when it does not begin with all of them. */
static size_t begins(const char *row, const char *const *argv, size_t n)
{
	size_t words = 0;

	while (*row) {
		const size_t len = strcspn(row, " ");

		if (words == n || strlen(argv[words]) != len || strncmp(argv[words], row, len) != 0)
			return 0;
		words++;
		row += len + (row[len] == ' ');
	}
	return words;
}

const struct known_command *known_command_find(const char *const *argv, size_t n, size_t *ret_words)
{
	const struct known_command *best = NULL;
	size_t most = 0;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const size_t words = begins(commands[i].words, argv, n);

		if (words > most) {
			most = words;
			best = &commands[i];
		}
	}
	if (best)
		*ret_words = most;
	return best;
}

bool known_interpreter(const char *program)
{
	const char *slash = strrchr(program, '/');

	program = slash ? slash + 1 : program;
	for (size_t i = 0; i < ARRAY_SIZE(interpreters); i++) {
		if (strcmp(program, interpreters[i]) == 0)
			return true;
	}
	return false;
}

bool known_discovery(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(discoveries); i++) {
		if (str_eq(discoveries[i], key))
			return true;
	}
	return false;
}

static const char *kind_refused(const char *kind, size_t n, bool write)
{
	if (n == strlen("Secret") && strncmp(kind, "Secret", n) == 0)
		return "a runbook neither reads nor writes a Secret";
	for (size_t i = 0; i < ARRAY_SIZE(writable); i++) {
		if (strlen(writable[i]) == n && strncmp(writable[i], kind, n) == 0)
			return NULL;
	}
	return write ? "a runbook does not write that kind (sidestep-runbook tables)" : NULL;
}

const char *known_ref_refused(const char *ref, bool write)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789./-";
	const size_t version = strspn(str_or_empty(ref), letters);
	const char *kind = str_or_empty(ref) + version + (version > 0);
	const size_t n = strspn(kind, letters);

	if (!version || ref[version] != ' ' || !n || (kind[n] && kind[n] != ' ') || *kind < 'A' ||
	    *kind > 'Z')
		return "want a version and a kind, written out, then the name: apps/v1 DaemonSet "
		       "ns/name";
	return kind_refused(kind, n, write);
}

bool known_name(const char *s)
{
	return !str_empty(s) && strlen(s) <= 253 &&
	       s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-.:")] == 0 && !strstr(s, "..");
}

const char *known_ref_name_refused(struct arena *a, const char *ref)
{
	auto_release(strbuf) struct strbuf name = STRBUF_INIT;
	const char *at = strchr(str_or_empty(ref), ' '), *end;
	char *slash;

	at = at ? strchr(at + 1, ' ') : NULL;
	if (!at)
		return NULL;
	/* What is filled in is looked at once it is; here it is some name. */
	for (at++; *at; at++) {
		end = str_starts(at, "${") ? strchr(at, '}') : NULL;
		strbuf_addc(&name, end ? 'x' : *at);
		at = end ? end : at;
	}
	slash = strchr(strbuf_cstr(&name), '/');
	if (known_name(slash ? slash + 1 : strbuf_cstr(&name)) &&
	    (!slash || known_name(arena_strndup(a, name.buf, (size_t)(slash - name.buf)))))
		return NULL;
	return "the name is none: want namespace/name, or a name alone";
}

const char *known_object_refused(const struct doc *object)
{
	const char *kind = doc_str(doc_get(object, "kind"));

	return kind ? kind_refused(kind, strlen(kind), true) : "an object without a kind";
}

struct doc *known_doc(struct arena *a)
{
	struct doc *d = doc_map(a), *list, *row;

	list = doc_set_list(a, d, "sources");
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		row = doc_append(a, list, doc_map(a));
		doc_set_string(a, row, "name", sources[i].name);
		doc_set_bool(a, row, "node", sources[i].node);
		doc_set_bool(a, row, "since", sources[i].timed);
		doc_set_string(a, row, "filters", *sources[i].filters ? sources[i].filters : NULL);
		doc_set_string(a, row, "what", sources[i].what);
	}
	list = doc_set_list(a, d, "operations");
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
		row = doc_append(a, list, doc_map(a));
		doc_set_string(a, row, "name", operations[i].name);
		doc_set_string(a, row, "arguments", operations[i].arguments);
		doc_set_string(a, row, "optional", operations[i].optional);
		doc_set_bool(a, row, "invertible", operations[i].invertible);
		doc_set_string(a, row, "risk", risk_names[operations[i].risk]);
		doc_set_string(a, row, "what", operations[i].what);
	}
	list = doc_set_list(a, d, "commands");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		row = doc_append(a, list, doc_map(a));
		doc_set_string(a, row, "argv", commands[i].words);
		doc_set_bool(a, row, "more", commands[i].more);
		doc_set_bool(a, row, "mutates", commands[i].mutates);
		doc_set_string(a, row, "again", commands[i].again);
	}
	list = doc_set_list(a, d, "writable");
	for (size_t i = 0; i < ARRAY_SIZE(writable); i++)
		doc_append(a, list, doc_string(a, writable[i]));
	list = doc_set_list(a, d, "checks");
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		doc_append(a, list, doc_string(a, checks[i]));
	row = doc_set_map(a, d, "answers");
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		doc_set_string(a, row, answers[i].of, answers[i].fields);
	list = doc_set_list(a, d, "discoveries");
	for (size_t i = 0; i < ARRAY_SIZE(discoveries); i++)
		doc_append(a, list, doc_string(a, discoveries[i]));
	return d;
}

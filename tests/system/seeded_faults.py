# SPDX-License-Identifier: Apache-2.0
"""Faults of the product, one small change each, and what the demo must say with it.

name     what goes wrong, in the words of a bug report
steps    the steps of the story and states of the machine that it stands for
file     where, and the text there (exactly one place) with what replaces it: no line of the product knows of this
exit     of the demo: 3 a promise broken or a step failed, 5 inconclusive, 1 it could not go on
red      the step that must be red, or a counter of report.json that must not be 0
words    what that step, its program or the verdict must say
"""
from collections import namedtuple

Fault = namedtuple("Fault", "name steps file old new exit red words options", defaults=((),))

FAULTS = [
    Fault("lab-no-identity-is-ever-asked-for", ["lab"], "agent/reconcile.c",
          "\t\tallocator_want(agent->allocator, &labels);",
          "\t\t(void)agent;",
          1, "lab", "still waiting for", ("--timeout", "15s")),
    Fault("traffic-pods-of-other-nodes-are-left-to-the-stack", ["traffic"], "datapath/bpf/decide.h",
          "remote->tunnel_endpoint == node->addr)",
          "remote->tunnel_endpoint != node->addr)",
          3, "traffic", "did not become steady", ("--timeout", "30s")),
    Fault("preflight-takes-a-newer-kernel-for-older", ["preflight"], "preflight/kernel.c",
          "a.major != b.major ? a.major < b.major",
          "a.major != b.major ? a.major > b.major",
          3, "preflight", "exit 3"),
    Fault("preflight-cannot-read-the-version", ["preflight"], "preflight/kernel.c",
          'sscanf(release, "%u.%u"',
          'sscanf(release, "%u-%u"',
          5, "preflight", "exit 5"),
    Fault("inventory-reads-the-first-counters-only", ["inventory"], "migrate/inventory.c",
          "for (size_t i = 0; i < n.n_counters; i++)",
          "for (size_t i = 0; i < n.n_counters && i < 8; i++)",
          3, "inventory", "does not know that .* calls"),
    Fault("translate-forgets-the-ports-of-a-rule", ["translate"], "migrate/translate_rule.c",
          "port_set_parse(&ports, yes);\n\t\tport_set_and(s, &ports);",
          "port_set_parse(&ports, yes);",
          3, "verify", "exit 3"),
    Fault("verify-leaves-out-a-server", ["verify"], "migrate/verify.c",
          "for (size_t i = 0; i < c.v.n_servers; i++)",
          "for (size_t i = 1; i < c.v.n_servers; i++)",
          5, "verify", "exit 5"),
    Fault("plan-does-not-say-that-encryption-is-lost", ["plan"], "migrate/findings.c",
          'if (!l->movers->n)\n\t\tseen(l, FINDING_SKIP, "", "nothing moves");',
          'if (l->movers->n)\n\t\tseen(l, FINDING_SKIP, "", "nothing moves");',
          3, "plan", "waiver encryption-lost"),
    Fault("plan-leaves-out-the-soak", ["plan"], "migrate/plan.c",
          '\tadd_step(b, "N14", NULL, "soak", NULL);\n', "",
          3, "plan", "leaves out N14"),
    Fault("blocked-lets-a-weighted-route-pass", ["blocked"], "migrate/translate_fields.c",
          '{"http[].route[].weight", FIELD_BLOCKED',
          '{"http[].route[].weight", FIELD_EXACT',
          3, "blocked", r"weight"),
    Fault("blocked-does-not-see-the-circle", ["blocked"], "migrate/order.c",
          "t->low[node] = MIN(t->low[node], t->index[server]);",
          ";",
          3, "blocked", "1 of 2 namespaces"),
    Fault("n1-agents-do-not-say-when-they-looked", ["migrate", "N1"], "agent/publish.c",
          '\tdoc_set_string(a, status, "updated", agent_wall_text(agent, a));\n', "",
          5, "migrate", "G-WELL"),
    Fault("n3-agents-do-not-watch-when-asked", ["N3-audit"], "lib/mesh/desired.c",
          "if (r->kind != REQUEST_AUDIT ||",
          "if (r->kind == REQUEST_AUDIT ||",
          3, "migrate", "G-AUDIT-ON"),
    Fault("n3-the-datapath-looks-for-no-port", ["N3-policies"], "datapath/bpf/policy.h",
          "\t\t.port = q->port,\n\t};\n\tstruct policy_entry",
          "\t};\n\tstruct policy_entry",
          3, "migrate", "G-AUDIT-CLEAN"),
    Fault("n4-audit-is-never-ended", ["N4"], "migrate/steps.c",
          'return add(out, CHANGE_DELETE, "audit", host_ref(out->arena, request), NULL, NULL, err);',
          "(void)request;\n\t(void)out;\n\t(void)err;\n\treturn 0;",
          3, "migrate", "G-ENFORCED"),
    Fault("n7-a-relaxed-rule-keeps-its-tls", ["N7"], "migrate/plan.c",
          'doc_set(a, doc_set_map(a, to, "trafficPolicy"), "tls", doc_null(a));',
          'doc_set_map(a, to, "trafficPolicy");',
          3, "migrate", "G-RELAXED"),
    Fault("n8-injection-is-not-turned-off", ["N8"], "migrate/plan.c",
          '\tdoc_set_string(b->a, labels, "istio-injection", "disabled");\n', "",
          3, "migrate", "G-INJECTION-OFF"),
    Fault("n9-callers-go-before-their-servers", ["N9"], "migrate/findings.c",
          "position(m, e->from, &edges[n].caller) &&\n\t\t    position(m, e->to, &edges[n].server)",
          "position(m, e->from, &edges[n].server) &&\n\t\t    position(m, e->to, &edges[n].caller)",
          3, "requests.failed", "requests failed"),
    Fault("n10-a-workload-is-not-restarted", ["N10"], "migrate/plan.c",
          "\tfor (size_t i = 0; i < b->movers.order.n; i++) {\n"
          "\t\tconst struct inventory_workload *w = mover(b, i);\n\t\tstruct doc *args",
          "\tfor (size_t i = 1; i < b->movers.order.n; i++) {\n"
          "\t\tconst struct inventory_workload *w = mover(b, i);\n\t\tstruct doc *args",
          3, "migrate", "G-SIDECARLESS"),
    Fault("n14-the-soak-is-one-look", ["N14", "timeline"], "migrate/gates.c",
          "WINDOW(soak_ns)", "0",
          3, "timeline", "N14 did not last"),
    Fault("without-calls-from-other-nodes-are-not-asked", ["without"], "datapath/bpf/decide.h",
          "if (!reason && e->dst_endpoint) {",
          "if (!reason && e->dst_endpoint && e->src_endpoint) {",
          3, "requests.refused_missing", "got through"),
    Fault("rollback-servers-come-back-before-their-callers", ["rollback"], "lib/step/undo.c",
          "return a->position > b->position ? -1 : a->position < b->position;",
          "return a->position < b->position ? -1 : a->position > b->position;",
          3, "requests.failed", "requests failed"),
    Fault("after-policies-are-left-behind", ["after"], "migrate/steps.c",
          '\t\tint r = add(out, CHANGE_CREATE, op, host_ref(out->arena, policy), policy, NULL,\n'
          "\t\t\t    err);\n\n\t\tif (r)\n\t\t\treturn r;",
          "\t\tstruct change *c = NULL;\n"
          "\t\tint r = add(out, CHANGE_CREATE, op, host_ref(out->arena, policy), policy, &c,\n"
          "\t\t\t    err);\n\n\t\tif (r)\n\t\t\treturn r;\n\t\tc->keep = true;",
          3, "after", "CiliumNetworkPolicy .* was left behind"),
]

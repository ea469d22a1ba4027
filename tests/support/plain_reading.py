# SPDX-License-Identifier: Apache-2.0
"""A second opinion about manifests: what Istio decides and what Cilium policies decide, read plainly.

Shares no code with the product, on purpose: no sets, no classes, no partition. It looks at one
connection at a time, as somebody with the two projects' documentation in hand would. Objects are the
dictionaries that a YAML reader gives. Something that it does not know raises Unknown.
"""
import ipaddress
import re

NAMESPACE_LABEL = "io.kubernetes.pod.namespace"
ACCOUNT_LABEL = "io.cilium.k8s.policy.serviceaccount"
ALWAYS_EXCLUDED = {15008, 15020, 15021, 15090}


class Mesh:
    """What MeshConfig says. Istio reads cluster.local in a policy as the mesh's own trust domain."""
    root_namespace, trust_domain, aliases = "istio-system", "cluster.local", ()

    def own(self, principal):
        domain, _, rest = principal.partition("/")
        return f"{self.trust_domain}/{rest}" if domain in ("cluster.local", *self.aliases) else principal


MESH = Mesh()


class Unknown(Exception):
    """The reading does not cover this; never a verdict."""


class Pod:
    """Somebody with labels: calls, and is called."""

    def __init__(self, namespace, account, labels, annotations, namespace_labels, host_network=False):
        self.namespace, self.account, self.labels = namespace, account, labels
        self.annotations, self.namespace_labels, self.host_network = annotations, namespace_labels, host_network
        self.address = None
        self.sidecar = injected(namespace_labels, labels, annotations, host_network)

    def principal(self):
        return f"{MESH.trust_domain}/ns/{self.namespace}/sa/{self.account}" if self.sidecar else None


class Outsider:
    """An address without a pod; entity is what Cilium calls it."""

    def __init__(self, address, entity="world"):
        self.address, self.entity = address, entity

    def principal(self):
        return None


def injected(namespace_labels, labels, annotations, host_network):
    """The table of Istio's page "Installing the Sidecar", and that a pod of the host network is left alone."""
    if host_network or labels.get("sidecar.istio.io/inject") == "false":
        return False
    at_namespace = namespace_labels.get("istio-injection")
    if at_namespace not in (None, "enabled"):
        return False
    if at_namespace is None and "istio.io/rev" not in namespace_labels and "istio.io/rev" not in labels:
        return labels.get("sidecar.istio.io/inject") == "true"
    return labels.get("sidecar.istio.io/inject") == "true" or annotations.get("sidecar.istio.io/inject") != "false"


def captured(pod, port):
    """Whether the sidecar of a pod sees a TCP port."""
    def numbers(name):
        return {int(p) for p in pod.annotations.get("traffic.sidecar.istio.io/" + name, "").split(",") if p}
    include = pod.annotations.get("traffic.sidecar.istio.io/includeInboundPorts", "*")
    if include != "*":
        return port in numbers("includeInboundPorts")
    return port not in ALWAYS_EXCLUDED | numbers("excludeInboundPorts")


# --- Istio -----------------------------------------------------------------------------------------------------------


def chosen(selector, labels):
    return all(labels.get(k) == v for k, v in ((selector or {}).get("matchLabels") or {}).items())


def mtls_mode(objects, pod, port):
    """Mesh, namespace, workload, port: the nearest that says something; the oldest of one level."""
    def level(namespace, with_selector):
        found = [o for o in objects if o["kind"] == "PeerAuthentication" and o["metadata"]["namespace"] == namespace
                 and bool((o["spec"].get("selector") or {}).get("matchLabels")) == with_selector
                 and (not with_selector or chosen(o["spec"]["selector"], pod.labels))]
        return min(found, key=lambda o: (o["metadata"].get("creationTimestamp", ""), o["metadata"]["name"]),
                   default={"spec": {}})["spec"]
    mode = "PERMISSIVE"
    workload = level(pod.namespace, True)
    for spec in (level(MESH.root_namespace, False), level(pod.namespace, False), workload):
        said = (spec.get("mtls") or {}).get("mode", "UNSET")
        mode = mode if said == "UNSET" else said
    said = ((workload.get("portLevelMtls") or {}).get(str(port)) or {}).get("mode", "UNSET")
    return mode if said == "UNSET" else said


def pattern_fits(pattern, value):
    """Istio's StringMatcher: presence, suffix, prefix, or the very text; a star elsewhere is a star."""
    if value is None:
        return False
    if pattern == "*":
        return value != ""
    if pattern.startswith("*"):
        return value.endswith(pattern[1:])
    if pattern.endswith("*"):
        return value.startswith(pattern[:-1])
    return value == pattern


def fits(attribute, value, caller, port, policy_namespace):
    principal = caller.principal()
    if attribute == "principal":
        return pattern_fits(MESH.own(value), principal)
    if attribute == "namespace":  # a regular expression over the certificate's name
        return bool(principal) and bool(
            re.fullmatch(".*/ns/" + ".*".join(map(re.escape, value.split("*"))) + "/.*", principal))
    if attribute == "serviceAccount":
        namespace, account = value.split("/") if "/" in value else (policy_namespace, value)
        return bool(principal) and principal.endswith(f"/ns/{namespace}/sa/{account}")
    if attribute == "ip":
        return ipaddress.ip_address(caller.address) in ipaddress.ip_network(value, strict=False)
    if attribute == "port":
        return port == int(value)
    raise Unknown(attribute)


SOURCES = {"principals": "principal", "namespaces": "namespace", "serviceAccounts": "serviceAccount", "ipBlocks": "ip"}
CONDITIONS = {"source.principal": "principal", "source.namespace": "namespace", "source.ip": "ip",
              "source.serviceAccount": "serviceAccount", "destination.port": "port"}
HTTP = {"methods", "paths", "hosts", "notMethods", "notPaths", "notHosts"}


def negated(name):
    return name[3].lower() + name[4:] if name.startswith("not") else None


def rule_verdict(rule, caller, port, namespace):
    """(network attributes fit, request attributes are named as well)"""
    def holds(attribute, values, yes):
        if not values:
            return True
        return any(fits(attribute, v, caller, port, namespace) for v in values) == yes

    def source_fits(source):
        return all(holds(SOURCES[negated(k) or k], v, negated(k) is None) for k, v in source.items())

    def operation_fits(operation):
        return all(holds("port", v, negated(k) is None) for k, v in operation.items() if k not in HTTP)

    sources = [f["source"] for f in rule.get("from") or []]
    operations = [t["operation"] for t in rule.get("to") or []]
    whens = all(holds(CONDITIONS[w["key"]], w.get("values"), True) and holds(CONDITIONS[w["key"]], w.get("notValues"), False)
                for w in rule.get("when") or [])
    matches = whens and (not sources or any(map(source_fits, sources))) and \
        (not operations or any(map(operation_fits, operations)))
    return matches, any(HTTP & set(o) for o in operations)  # a proxy that reads no HTTP leaves the whole rule out


def istio(objects, caller, pod, port, protocol="TCP"):
    """(some request gets through, every request does)"""
    if protocol != "TCP" or not pod.sidecar or not captured(pod, port):
        return True, True
    if mtls_mode(objects, pod, port) == "STRICT" and not caller.principal():
        return False, False
    some = every = True
    allow_policies, allowed_some, allowed_every = 0, False, False
    for o in objects:
        meta, spec = o["metadata"], o.get("spec") or {}
        if o["kind"] != "AuthorizationPolicy" or meta["namespace"] not in (pod.namespace, MESH.root_namespace):
            continue
        if not chosen(spec.get("selector"), pod.labels):
            continue
        action = spec.get("action", "ALLOW")
        if action not in ("ALLOW", "DENY", "AUDIT"):
            raise Unknown(action)
        if action == "AUDIT" or (meta.get("annotations") or {}).get("istio.io/dry-run") == "true":
            continue
        allow_policies += action == "ALLOW"
        for rule in spec.get("rules") or []:
            matches, http = rule_verdict(rule, caller, port, meta["namespace"])
            if matches and action == "DENY":
                every, some = False, some and http
            elif matches:
                allowed_some, allowed_every = True, allowed_every or not http
    if allow_policies:
        some, every = some and allowed_some, every and allowed_every
    return some, every


# --- Cilium ----------------------------------------------------------------------------------------------------------


def bare(key):
    return re.sub("^(k8s|any):", "", key)


def cilium_labels(pod):
    labels = dict(pod.labels)
    labels.update({NAMESPACE_LABEL: pod.namespace, ACCOUNT_LABEL: pod.account, "io.cilium.k8s.policy.cluster": "default"})
    labels.update({"io.cilium.k8s.namespace.labels." + k: v for k, v in pod.namespace_labels.items()})
    return labels


def selector_fits(selector, labels):
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(bare(key)) != value:
            return False
    for e in selector.get("matchExpressions") or []:
        have = labels.get(bare(e["key"]))
        answer = {"In": lambda: have in e["values"], "NotIn": lambda: have not in e["values"],
                  "Exists": lambda: have is not None, "DoesNotExist": lambda: have is None}[e["operator"]]()
        if not answer:
            return False
    return True


def names_namespace(selector):
    keys = list(selector.get("matchLabels") or {}) + [e["key"] for e in selector.get("matchExpressions") or []]
    return any(bare(k) == NAMESPACE_LABEL or bare(k).startswith("io.cilium.k8s.namespace.labels.") for k in keys)


def peer_fits(rule, caller, policy_namespace):
    if "fromEndpoints" in rule:
        for s in rule["fromEndpoints"] or []:
            if isinstance(caller, Outsider):  # has a reserved label alone: "NotIn" and "DoesNotExist" hold for it
                if names_namespace(s) and selector_fits(s, {caller.entity: ""}):
                    return True
            elif not caller.host_network and selector_fits(s, cilium_labels(caller)) and \
                    (names_namespace(s) or caller.namespace == policy_namespace):
                return True
        return False
    if "fromCIDR" in rule:
        return isinstance(caller, Outsider) and caller.entity == "world" and any(
            ipaddress.ip_address(caller.address) in ipaddress.ip_network(c) for c in rule["fromCIDR"])
    if "fromEntities" in rule:
        entities = set(rule["fromEntities"])
        if entities & {"all"}:
            return True
        if isinstance(caller, Outsider):
            return caller.entity in entities or ("cluster" in entities and caller.entity != "world")
        return "cluster" in entities
    if set(rule) - {"toPorts", "icmps"}:
        raise Unknown(str(set(rule)))
    return True


def port_fits(rule, port, protocol):
    if "toPorts" not in rule:
        return "icmps" not in rule
    for group in rule["toPorts"]:
        if set(group) != {"ports"}:
            raise Unknown(str(set(group)))
        for p in group["ports"]:
            first = int(p["port"])
            last = int(p.get("endPort", first))
            if p.get("protocol", "ANY") in ("ANY", protocol) and (first == 0 or first <= port <= last):
                return True
    return False


def cilium(policies, caller, pod, port, protocol="TCP"):
    """Ingress of one connection under CiliumNetworkPolicies."""
    selecting = allowed = False
    for p in policies:
        namespace = p["metadata"]["namespace"]
        for spec in [p["spec"]] if "spec" in p else p["specs"]:
            if namespace != pod.namespace or not selector_fits(spec["endpointSelector"], cilium_labels(pod)):
                continue
            selecting |= bool(spec.get("ingress") or spec.get("ingressDeny"))
            for r in spec.get("ingressDeny") or []:
                if peer_fits(r, caller, namespace) and port_fits(r, port, protocol):
                    return False
            allowed |= any(peer_fits(r, caller, namespace) and port_fits(r, port, protocol)
                           for r in spec.get("ingress") or [])
    return allowed or not selecting

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Manifests as people keep them, without a cluster: sidestep-migrate reads them from files.

  manifests.py BIN_DIR
"""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap

# No namespace anywhere, as `kubectl apply -n` takes it; comments, an anchor, CRLF and a List among it.
SHOP = """\
# a shop
apiVersion: v1
kind: Service
metadata: {name: till, labels: &till {app: till}}
spec: {selector: *till, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: till}
spec:
  replicas: 1
  selector: {matchLabels: &tills {app: till}}
  template:
    metadata: {labels: *tills}
    spec:
      serviceAccountName: till
      containers: [{name: app, image: till:1, ports: [{containerPort: 8080}]}]
---
"""
RULES = """\
apiVersion: v1
kind: List
items:
- apiVersion: security.istio.io/v1beta1
  kind: PeerAuthentication
  metadata: {name: default}
  spec: {mtls: {mode: STRICT}}
- apiVersion: security.istio.io/v1
  kind: AuthorizationPolicy
  metadata: {name: till}
  spec:
    selector: {matchLabels: {app: till}}
    rules:
    - from: [{source: {principals: [cluster.local/ns/default/sa/door]}}]
      to: [{operation: {ports: ["8080"]}}]
"""
NAMESPACE = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {istio-injection: enabled}}\n"


def check(ok, what):
    if not ok:
        print("FAILED:", what)
        sys.exit(1)


def migrate(bin_dir, *args):
    return subprocess.run([os.path.join(bin_dir, "sidestep-migrate"), *args], capture_output=True, text=True, timeout=60,
                          check=False)


def ask(bin_dir, verb, path, *codes):
    done = migrate(bin_dir, verb, "default", "--snapshot", path, "-o", "json")
    check(done.returncode in codes, f"{verb}: exit {done.returncode}, not {codes}\n{done.stdout[-500:]}{done.stderr}")
    return json.loads(done.stdout)


def a_shop_without_its_namespace(bin_dir, folder):
    for name, text in (("shop.yaml", SHOP), ("rules.yaml", RULES.replace("\n", "\r\n"))):
        with open(os.path.join(folder, name), "w", encoding="utf-8", newline="") as f:
            f.write(text)
    said = json.dumps(ask(bin_dir, "translate", folder, 0))
    check("not in the snapshot" in said, "nothing says that injection was assumed")
    check("CiliumNetworkPolicy" in said and '"8080"' in said, f"no policy for the till: {said}")
    equal = ask(bin_dir, "verify", folder, 0)["equivalence"]
    check(equal["compared"] > 0 and equal["differences"] == 0 and equal["exhaustive"], f"equivalence: {equal}")
    said = json.dumps(ask(bin_dir, "plan", folder, 3, 5))
    check("no Namespace of this name" in said, "the plan does not say what is missing")
    with open(os.path.join(folder, "shop.yaml"), "a", encoding="utf-8") as f:
        f.write(NAMESPACE)
    check("not in the snapshot" not in json.dumps(ask(bin_dir, "translate", folder, 0)), "it still assumes")


def what_cannot_be_read_proves_nothing(bin_dir, folder):
    """YAML 1.1, which kubectl reads, calls y a boolean: an API server refuses the Deployment, and so do we."""
    path = os.path.join(folder, "shop.yaml")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace("matchLabels: &tills {app: till}", "matchLabels: &tills {app: till, open: y}"))
    said = json.dumps(ask(bin_dir, "translate", folder, 3))
    check("Deployment/default/till" in said and "want a string, got boolean" in said, f"not blocked: {said}")
    equal = ask(bin_dir, "verify", folder, 5)["equivalence"]
    check(not equal["exhaustive"] and "shop.yaml:" in str(equal["unread"]), f"a proof without the till: {equal}")


def the_profile_of_the_help_is_one(bin_dir, folder):
    """The example of `help profile`, as a user copies it: a plan takes all of it, and needs no other waiver."""
    page = subprocess.run([os.path.join(bin_dir, "sidestep"), "help", "migrate", "profile"], capture_output=True,
                          text=True, timeout=60, check=False).stdout
    example = textwrap.dedent("\n".join(line for line in page.split("Example", 1)[-1].splitlines()
                                        if line.startswith("    ")))
    path = os.path.join(os.path.dirname(folder), os.path.basename(folder) + "-my-team.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(example)
    plans = [migrate(bin_dir, "plan", "default", "--snapshot", folder, "-o", "json", *more)
             for more in ([], ["--profile", path])]
    os.unlink(path)
    without, plan = (json.loads(done.stdout or "{}") for done in plans)
    check(plan, f"the profile of the help: exit {plans[1].returncode}\n{example}\n{plans[1].stderr}")
    profile = plan["profile"]
    check(profile["name"] == "my team, a quiet week" and profile["auditWindow"] == f"{12 * 3600 * 1000}ms" and
          profile["gateTimeout"] == f"{1800 * 1000}ms", f"the plan's profile: {profile}")
    wanted = {w["id"] for w in profile["waivers"]}
    failed = {f["id"] for f in without["findings"]["findings"] if f["result"] == "fail"}
    check(wanted and wanted <= failed, f"the example waives {wanted}, without it {failed} fail")
    waived = {f["id"] for f in plan["findings"]["findings"] if f.get("waiver")}
    check(waived == wanted, f"the example waives {wanted}, the plan says {waived}")


def the_way_back_is_told_in_its_order(bin_dir):
    """As tests/unit/migrate/test_profile.c holds it against the machine's tables."""
    page = " ".join(migrate(bin_dir, "rollback", "--help").stdout.split())
    told = [page.find(words) for words in ("First injection is switched on", "callers before their servers", "then the rest")]
    check(-1 < told[0] < told[1] < told[2], f"rollback --help: {page}")


def istios_own_analysis_is_reflected(bin_dir):
    """What istioctl analyze says of mutual TLS, authorization and injection, an inventory shows as well."""
    shared = os.environ.get("SIDESTEP_SHARED") or os.path.join(os.environ.get("SIDESTEP_SOURCE_DIR", "."), "../shared")
    folder = os.path.join(shared, "corpus/istio/analyzers")
    if not os.path.isdir(folder):
        return
    with open(os.path.join(folder, "EXPECTED.tsv"), encoding="utf-8") as f:
        rows = [line.rstrip("\n").split("\t") for line in f][1:]

    def look(name):
        return json.loads(migrate(bin_dir, "inventory", "--snapshot", os.path.join(folder, name), "-o", "json").stdout)

    unused = {r[4].split()[1] for r in rows if r[0] == "authorizationpolicies.yaml" and r[3] == "NoMatchingWorkloadsFound"}
    objects = [o for o in look("authorizationpolicies.yaml")["istio"]["objects"] if o["kind"] == "AuthorizationPolicy"]
    said = {f"{o['namespace']}/{o['name']}" for o in objects if o["workloads"] == 0}
    check(unused and said == unused, f"policies for nobody: {said}, not {unused}")
    missing = {r[4].split()[1] for r in rows if r[0] == "injection.yaml" and r[3] == "PodMissingProxy"}
    said = {f"{w['namespace']}/{w['name']}" for w in look("injection.yaml")["workloads"]
            if w["injected"] and w["pods"] > w["sidecars"] and w["namespace"] != "istio-system"}
    check(missing and said == missing, f"pods without their proxy: {said}, not {missing}")
    done = migrate(bin_dir, "plan", "default", "--snapshot", os.path.join(folder, "injection.yaml"))
    check(done.returncode == 3 and "1 of 1 pods run without the sidecar" in " ".join(done.stdout.split()),
          f"the plan does not mind: {done.stdout}")


def the_corpus_ends_as_the_help_says(bin_dir):
    """Whatever real file: a result, or an error that names the place; never a crash."""
    shared = os.environ.get("SIDESTEP_SHARED") or os.path.join(os.environ.get("SIDESTEP_SOURCE_DIR", "."), "../shared")
    files = sorted(glob.glob(os.path.join(shared, "corpus/istio/**/*.yaml"), recursive=True))
    for path in files:
        for verb in ("inventory", "translate", "verify", "plan"):
            done = migrate(bin_dir, verb, "default", "--snapshot", path)
            check(done.returncode in (0, 1, 3, 5), f"{verb} {path}: exit {done.returncode}\n{done.stderr}")
            if done.returncode == 1:
                check(path in done.stderr or "default" in done.stderr, f"{verb} {path}: no place in {done.stderr!r}")
    return len(files)


def what_istio_refuses_is_blocked(bin_dir, folder):
    """Istio's own examples of invalid objects: never a pass, and the place is named; the valid ones are read."""
    shared = os.environ.get("SIDESTEP_SHARED") or os.path.join(os.environ.get("SIDESTEP_SOURCE_DIR", "."), "../shared")
    for path in sorted(glob.glob(os.path.join(shared, "corpus/istio/validation/*.yaml"))):
        with open(path, encoding="utf-8") as f:
            documents = re.split("^---.*$", f.read(), flags=re.MULTILINE)
        for i, text in enumerate(documents):
            wanted = re.search("^_err: *(.*)$", text, re.MULTILINE)
            one = os.path.join(folder, "one.yaml")
            with open(one, "w", encoding="utf-8") as f:
                f.write(re.sub("^_err:.*$", "#", text, flags=re.MULTILINE))
            if "kind:" not in text:
                continue
            done = migrate(bin_dir, "translate", "default", "--snapshot", one, "-o", "json")
            check(done.returncode in (0, 3), f"{path} {i}: exit {done.returncode} {done.stderr}")
            blocked = [v for v in json.loads(done.stdout)["verdicts"] if v["class"] == "blocked"]
            if wanted:
                check(blocked and all(v.get("where", "").startswith(one + ":") for v in blocked),
                      f"{path} {i}: {wanted.group(1)}: {blocked}")
            else:
                check("Istio refuses" not in str(blocked), f"{path} {i}: {blocked}")
            if wanted and "Cannot set" in wanted.group(1):
                check(wanted.group(1).strip("'\"").lower() in str(blocked).lower(), f"{path} {i}: {blocked}")


def main():
    bin_dir = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        a_shop_without_its_namespace(bin_dir, folder)
        the_profile_of_the_help_is_one(bin_dir, folder)
        what_cannot_be_read_proves_nothing(bin_dir, folder)
        what_istio_refuses_is_blocked(bin_dir, folder)
    the_way_back_is_told_in_its_order(bin_dir)
    istios_own_analysis_is_reflected(bin_dir)
    files = the_corpus_ends_as_the_help_says(bin_dir)
    print(f"a shop without its namespace, {files} files of the corpus{'' if files else ' (it is not here)'}")


if __name__ == "__main__":
    main()

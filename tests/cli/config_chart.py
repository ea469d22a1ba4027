#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What Helm prints of a chart, piped into sidestep-config as one types it: planned, applied, the same again, with other values and
pruned, drifted and put back, rolled back.

  config_chart.py BIN_DIR

The manifests are tests/golden/config/chart, which tests/peers/helm-works holds against a real Helm. Against the lab's API server
alone: no pods run, so the workloads stay out.
"""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

import yaml

from api import Api, check

SOURCE = os.environ.get("SIDESTEP_SOURCE_DIR", ".")
HOOKS = ("Job/shop/rel-before", "Job/shop/rel-clean-up", "Pod/shop/rel-answers")
PLANTED = ("planted-one", "planted-two", "cGxhbnRlZC1vbm", "cGxhbnRlZC10d2")


def rendered(name):
    """As Helm prints it, comments and empty documents among them; without workloads."""
    with open(os.path.join(SOURCE, "tests/golden/config/chart", name), encoding="utf-8") as f:
        parts = re.split(r"(?m)^(?=---)", f.read())
    return "".join(p for p in parts if "\nkind: Deployment\n" not in p and "\nkind: CronJob\n" not in p)


class Person:
    def __init__(self, bin_dir, folder, api):
        self.program, self.folder, self.api = os.path.join(bin_dir, "sidestep-config"), folder, api

    def types(self, verb, *words, given=None, want=0, says=()):
        done = subprocess.run([self.program, verb, *words, "--kubeconfig", self.api.kubeconfig, "--state", os.path.join(self.folder, "state")],
                              input=given, capture_output=True, text=True, timeout=120, check=False)
        told = f"{verb} {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        check(done.returncode == want, told)
        for word in says:
            check(word in done.stdout + done.stderr, f"'{word}' in {told}")
        check(not any(p in told for p in PLANTED), f"a secret is printed: {told}")
        return done.stdout


def names(api, kind, path="/api/v1/namespaces/shop/"):
    return [o["metadata"]["name"] for o in api.ask("GET", path + kind)["items"]]


def story(jo, api):
    one, two = rendered("against.yaml"), rendered("desired.yaml")
    stdin = ("-f", "-", "-n", "shop")
    plan = os.path.join(jo.folder, "plan.json")
    jo.types("plan", *stdin, "--out", plan, "--detailed-exitcode", given=one, want=2, says=("create Service/shop/rel", *HOOKS))
    jo.types("apply", plan, *stdin, "--yes", given=one, says=("revision 1",))
    check(not names(api, "pods") and not names(api, "jobs", "/apis/batch/v1/namespaces/shop/"), "a hook was made")
    for verb in ("diff", "plan"):
        jo.types(verb, *stdin, "--detailed-exitcode", given=one)
    jo.types("apply", *stdin, "--yes", given=one, says=("nothing to do",))
    jo.types("drift", "--detailed-exitcode", says=("as applied",))
    files = api.ask("GET", "/api/v1/namespaces/shop/configmaps/rel-files")["data"]
    check(files["octal"] == "0644" and files["on"] == "on" and files["keep"] == "one\n\n" and files["fold"] == "one two\nthree\n" and
          files["crlf"] == "one\r\ntwo" and files["indented"] == "  two more\nthan this\n", f"{files}")

    jo.types("apply", *stdin, "--yes", "--prune", given=two, says=("revision 2", "ConfigMap/shop/rel-kept: stays"))
    check("rel-kept" in names(api, "configmaps"), "what is to be kept is gone")
    check(api.ask("GET", "/api/v1/namespaces/shop/configmaps/rel-files")["data"]["rate"] == "1.20", "the new value is not there")

    api.merge("/api/v1/namespaces/shop/configmaps/rel-files", {"data": {"rate": "9"}})
    jo.types("drift", "--detailed-exitcode", want=2, says=("data.rate", "drifted, and left as it is", "sidestep config rollback newest"))
    jo.types("rollback", "newest", "--yes", says=("revision",))
    jo.types("drift", "--detailed-exitcode")
    jo.types("rollback", "1", "--yes", says=("revision",))
    jo.types("diff", *stdin, "--detailed-exitcode", given=one)
    check("Secret" in jo.types("show", "1") and len(json.loads(jo.types("history", "-o", "json"))) >= 3, "the history")
    jo.types("fsck")


def main():
    with tempfile.TemporaryDirectory() as folder:
        api = Api(sys.argv[1], folder)
        try:
            for path in glob.glob(os.path.join(SOURCE, "deploy/crds/sidestep*.yaml")):
                with open(path, encoding="utf-8") as f:
                    for crd in filter(None, yaml.safe_load_all(f)):
                        api.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
            api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
            story(Person(os.path.abspath(sys.argv[1]), folder, api), api)
        finally:
            api.server.kill()
            api.server.wait()
    print("a chart was applied, changed, pruned, drifted and taken back")


main()

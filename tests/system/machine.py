# SPDX-License-Identifier: Apache-2.0
"""The namespace's machine on a whole lab, with its sidecars and its traffic: somebody puts a forced ISTIO_MUTUAL back, and
the run stops at its gate before a sidecar is gone; relaxed, it passes. The tool is killed at journal boundaries that a
printed seed draws, on the way there and on the way back. It ends where an undisturbed run ends.
"""
import copy
import ctypes
import glob
import json
import os
import random
import re
import subprocess
import tempfile
import threading

import labs
from kills import NAMESPACE, Api, bad, counts, details, total
from labs import Lab, check, until

SEED = int(os.environ.get("SIDESTEP_SEED", random.SystemRandom().randrange(1 << 32)))
DICE = random.Random(SEED)
KILLS = 3
GATE_STOPPED = 3
PROFILE = """
auditWindow: 4s
settle: 2s
soak: 3s
sampleEvery: 500ms
gateTimeout: {gate}s
waivers:
- {{id: encryption-lost, reason: a bridge inside this machine, owner: this test, expires: "2027-12-31"}}
- {{id: identity-by-address, reason: no SPIRE here, owner: this test, expires: "2027-12-31"}}
"""
# What the migration touches or makes, and the paths of it.
KINDS = {
    "namespace": f"/api/v1/namespaces/{NAMESPACE}",
    "deployments": f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments",
    "destinationrules": f"/apis/networking.istio.io/v1/namespaces/{NAMESPACE}/destinationrules",
    "peerauthentications": f"/apis/security.istio.io/v1/namespaces/{NAMESPACE}/peerauthentications",
    "authorizationpolicies": f"/apis/security.istio.io/v1/namespaces/{NAMESPACE}/authorizationpolicies",
    "policies": f"/apis/cilium.io/v2/namespaces/{NAMESPACE}/ciliumnetworkpolicies",
    "requests": "/apis/sidestep.dev/v1alpha1/sidesteprequests",
}
RULE = KINDS["destinationrules"] + "/payment-service"
# Set anew by whoever writes, or the machine's own words about a restart that happened.
NOT_COMPARED = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")
STAMPS = re.compile(r"^(sidestep\.dev/restarted|deployment\.kubernetes\.io/revision)$")


def canonical(o):
    o = copy.deepcopy(o)
    o.pop("status", None)
    for meta in (o["metadata"], o.get("spec", {}).get("template", {}).get("metadata", {})):
        for key in NOT_COMPARED:
            meta.pop(key, None)
        kept = {k: v for k, v in meta.get("annotations", {}).items() if not STAMPS.match(k)}
        meta.pop("annotations", None)
        if kept:
            meta["annotations"] = kept
    return o


def picture(api):
    """{what: object}: everything that a rollback has to bring back."""
    found = {}
    for kind, path in KINDS.items():
        status, body = api.ask("GET", path)
        check(status in (200, 404), f"GET {path}: {status}")
        for o in body.get("items", [body] if kind == "namespace" else []):
            found[kind, o["metadata"]["name"]] = canonical(o)
    return found


def sidecars(api):
    _, pods = api.ask("GET", f"/api/v1/namespaces/{NAMESPACE}/pods")
    return sum(any(c["name"] == "istio-proxy" for c in p["spec"].get("initContainers", []) + p["spec"]["containers"])
               for p in pods["items"] if "deletionTimestamp" not in p["metadata"])


class Restorer(threading.Thread):
    """Somebody's GitOps: a rule that is not as their repository has it is put back within milliseconds."""

    def __init__(self, api):
        super().__init__(daemon=True)
        self.api, self.wanted = api, api.ask("GET", RULE)[1]["spec"]
        self.seen = None  # the rule as the migration relaxed it
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.01):
            status, rule = self.api.ask("GET", RULE)
            if status == 200 and rule["spec"] != self.wanted:
                self.seen = self.seen or rule["spec"]
                rule["spec"] = self.wanted
                self.api.ask("PUT", RULE, rule)

    def stop(self):
        self.over.set()
        self.join()


class Watch:
    """inotify on one folder: tells the moment at which a file in it has grown."""

    IN_MODIFY, IN_CREATE = 2, 0x100

    def __init__(self, folder):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_CLOEXEC)
        check(self.fd >= 0 and self.libc.inotify_add_watch(
            self.fd, folder.encode(), self.IN_MODIFY | self.IN_CREATE) >= 0, "inotify")

    def wait(self):
        os.read(self.fd, 65536)

    def close(self):
        os.close(self.fd)


class Machine:
    """sidestep migrate, as a user starts it."""

    def __init__(self, lab, folder):
        self.lab, self.folder, self.state = lab, folder, os.path.join(folder, "state")
        os.makedirs(self.state)

    def argv(self, verb, *more):
        return [os.path.join(labs.BIN, "sidestep-migrate"), verb, NAMESPACE, "--kubeconfig", self.lab.kubeconfig,
                "--state", self.state, "--yes", *more]

    def run(self, verb, *more):
        return labs.run(*self.argv(verb, *more), timeout=400)

    def profile(self, gate):
        path = os.path.join(self.folder, f"profile-{gate}.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(PROFILE.format(gate=gate))
        return path

    def journal(self):
        [path] = glob.glob(self.state + "/*/journal")
        return path

    def records(self):
        with open(self.journal(), "rb") as f:
            return [json.loads(line) for line in f.read().split(b"\n")[:-1]]

    def killed_at(self, boundary, verb, *more):
        """Starts the verb and kills it once the journal has so many records. False: it ended before."""
        watch = Watch(os.path.dirname(self.journal()))
        tool = subprocess.Popen(self.argv(verb, *more), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
        ender = threading.Thread(target=self.at_its_end, args=(tool,), daemon=True)
        ender.start()
        while tool.poll() is None and len(self.records()) < boundary:
            watch.wait()
        tool.kill()
        ender.join()
        watch.close()
        return tool.returncode == -9

    def at_its_end(self, tool):
        """Wakes who waits for the journal when there will be no more of it."""
        tool.wait()
        path = os.path.join(os.path.dirname(self.journal()), "ended")
        with open(path, "w", encoding="utf-8"):
            pass
        os.remove(path)


def steady(lab):
    """Four seconds in which requests passed, some were refused and none failed, with every client at work. What Istio itself
    lets through (the greeting of a server that speaks first) has shown by then, so that it is known from the beginning."""
    def question():
        before = counts(lab)
        labs.wait(4)
        after = counts(lab)
        return (total(after, "failed") == total(before, "failed") and total(after, "lost") == total(before, "lost")
                and len(after) == len(before) and total(after, "ok") - total(before, "ok") > 200
                and total(after, "refused") > total(before, "refused"))
    until("traffic to be steady", question, patience=90)


def quiet(lab, before, what):
    """No request went wrong. What Istio itself let through before the first change (a greeting on that target, from whichever
    pod of the client) is Istio's, also when it is back."""
    greeted = {(target, how) for (_, target, how), e in before.items() if e.get("refused_missing")}
    own = {k: {**e, "refused_missing": 0} if k[1:] in greeted else e for k, e in counts(lab).items()}
    was = {k: {**e, "refused_missing": 0} if k[1:] in greeted else e for k, e in before.items()}
    check(bad(own) == bad(was), f"{what} (seed {SEED}):\n  {details(was, own)}")


def stops_at_its_gate(m, api, lab, before):
    somebody = Restorer(api)
    somebody.start()
    done = m.run("run", "--profile", m.profile(30))
    somebody.stop()
    check(done.returncode == GATE_STOPPED, f"ISTIO_MUTUAL left in place: exit {done.returncode}\n{done.stderr}")
    check("G-RELAXED" in done.stderr and "payment-service" in done.stderr and "ISTIO_MUTUAL" in done.stderr,
          f"it does not name gate, rule and mode:\n{done.stderr}")
    check(sidecars(api) == 14, f"{sidecars(api)} sidecars are left")
    check(not any(r.get("step", "").startswith("N9") and r["type"] == "intent" for r in m.records()), "a workload was restarted")
    quiet(lab, before, "stopped at G-RELAXED")
    check(somebody.seen is not None, "nothing was ever relaxed")
    _, rule = api.ask("GET", RULE)
    rule["spec"] = somebody.seen
    check(api.ask("PUT", RULE, rule)[0] == 200, "the rule could not be relaxed")


def goes_on_though_killed(m, verb, first, last):
    """Kills at boundaries between the two, then lets the tool end. The boundaries that were met."""
    met = []
    for boundary in sorted(DICE.sample(range(first, last), KILLS)):
        if m.killed_at(boundary, verb):
            met.append(boundary)
            verb = "resume"
    check(len(met) == KILLS, f"only {met} of the boundaries were met (seed {SEED})")
    done = m.run("resume")
    check(done.returncode in (0, 9), f"killed at {met} and resumed: exit {done.returncode} (seed {SEED})\n{done.stderr}")
    return met, done.returncode


def there_and_back_though_stopped_and_killed():
    with Lab("pe-machine") as lab, tempfile.TemporaryDirectory() as folder:
        manifests = [os.path.join(labs.SOURCE, "deploy/lab/manifests", n) for n in (NAMESPACE, "intruder")]
        lab.up("--nodes", "2", "--istio", "--envoy", os.environ["ENVOY"], "--manifests", manifests[0],
               "--manifests", manifests[1])
        api, m = Api(lab, folder), Machine(lab, folder)
        steady(lab)
        before, start = counts(lab), picture(api)

        stops_at_its_gate(m, api, lab, before)
        told = len(m.records())
        print(f"     stopped at G-RELAXED after {told} records, 14 sidecars in place")

        met, code = goes_on_though_killed(m, "resume", told + 2, told + 36)
        check(code == 0, f"it ended with {code}")
        check(sidecars(api) == 0, f"{sidecars(api)} sidecars are left")
        quiet(lab, before, f"killed at {met}")
        print(f"     without sidecars, killed at records {met}")

        at = len(m.records())
        met, _ = goes_on_though_killed(m, "rollback", at + 2, at + 50)
        end = picture(api)
        differ = sorted(k for k in set(start) | set(end) if start.get(k) != end.get(k))
        check(not differ, f"after the rollback these are not as before: {differ} (seed {SEED})\n" +
              "\n".join(f"{start.get(k)}\n{end.get(k)}" for k in differ[:2]))
        check(sidecars(api) == 14, f"{sidecars(api)} sidecars are back")
        quiet(lab, before, f"rolled back, killed at {met}")
        # Whoever was cut off after the last record asks again and learns how it ended.
        for verb, code in (("resume", 9), ("rollback", 0)):
            again = m.run(verb)
            check(again.returncode == code and "rolled-back already" in again.stdout,
                  f"{verb} of a run that was rolled back: exit {again.returncode}\n{again.stdout}{again.stderr}")
        now = counts(lab)
        print(f"     back, killed at records {met}: "
              f"{sum(e.get('ok', 0) for e in now.values()) - sum(e.get('ok', 0) for e in before.values())} requests passed")


if __name__ == "__main__":
    labs.need("sidestep-lab", "sidestep-migrate", "sidestepd", "sidestep-cni")
    if not os.environ.get("ENVOY"):
        labs.skip("no Envoy (ENVOY=/path, or deploy/fetch-envoy)")
    print(f"seed {SEED}: repeat with SIDESTEP_SEED={SEED}", flush=True)
    labs.main([there_and_back_though_stopped_and_killed])

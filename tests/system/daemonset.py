# SPDX-License-Identifier: Apache-2.0
"""The agent as a DaemonSet with OnDelete, under load: another image in the template restarts nothing, a deleted pod comes back
with it, a killed agent comes back in its pod, an image that nobody has keeps its node's pod waiting until it is taken back.
No request fails meanwhile, and no agent is restarted that nobody touched.
"""
import glob
import json
import os
import shutil
import tempfile

import labs
from kills import NAMESPACE, POLICIES, Api, bad, counts, details, policy, steady, total
from labs import Lab, check, kill, until

SET = "/apis/apps/v1/namespaces/kube-system/daemonsets/sidestep"
PODS = "/api/v1/namespaces/kube-system/pods"
IMAGE = "sidestep.dev/sidestepd:"


def template(api, tag):
    """Wants that image from now on."""
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "sidestep-agent", "image": IMAGE + tag}]}}}}
    status, _ = api.ask("PATCH", SET, patch, "application/strategic-merge-patch+json")
    check(status == 200, f"patch of the image: {status}")


def numbers(api):
    """(desired, updated, ready) once the controller has seen the newest template; else None."""
    _, found = api.ask("GET", SET)
    status = found.get("status", {})
    if status.get("observedGeneration") != found.get("metadata", {}).get("generation"):
        return None
    return tuple(status.get(k) for k in ("desiredNumberScheduled", "updatedNumberScheduled", "numberReady"))


def pod_of(api, node):
    _, found = api.ask("GET", PODS + "?labelSelector=k8s-app%3Dsidestep&fieldSelector=spec.nodeName%3D" + node)
    pods = [p for p in found.get("items", []) if not p["metadata"].get("deletionTimestamp")]
    return pods[0] if len(pods) == 1 else None


def container(api, node):
    """The agent's status in that node's pod."""
    return ((pod_of(api, node) or {}).get("status", {}).get("containerStatuses") or [{}])[0]


def delete(api, node):
    status, _ = api.ask("DELETE", PODS + "/" + pod_of(api, node)["metadata"]["name"])
    check(status == 200, f"delete of the pod on {node}: {status}")


def agent(lab, node):
    return lab.roles().get("sidestepd." + node)


def runs_from(lab, node, folder):
    pid = agent(lab, node)
    return pid and labs.read(f"/proc/{pid}/cmdline").startswith(folder + "/")


def another_release(lab, folder):
    """The same programs in another folder are what another release is to the lab."""
    bin_dir = os.path.join(folder, "bin")
    os.mkdir(bin_dir)
    for program in ("sidestepd", "sidestep"):
        os.symlink(os.path.join(labs.BIN, program), os.path.join(bin_dir, program))
    added = labs.run(os.path.join(labs.BIN, "sidestep-lab"), "image", "add", IMAGE + "9.9.9", bin_dir, "--lab", lab.name)
    check(added.returncode == 0, f"image add: {added.stderr}")
    return bin_dir


def node_by_node(lab, api, folder):
    first = container(api, "node-a")["image"].removeprefix(IMAGE)
    a, b = agent(lab, "node-a"), agent(lab, "node-b")
    bin_dir = another_release(lab, folder)
    template(api, "9.9.9")
    until("the new template to be seen", lambda: numbers(api) == (2, 0, 2))
    check((agent(lab, "node-a"), agent(lab, "node-b")) == (a, b), "a change of the template restarted an agent")
    delete(api, "node-b")
    until("node-b to be updated", lambda: numbers(api) == (2, 1, 2))
    check(runs_from(lab, "node-b", bin_dir) and agent(lab, "node-a") == a, "not node-b, or not it alone, was updated")
    # killed it comes back in its pod, as what it was
    kill(agent(lab, "node-b"))
    kill(a)
    until("both to be restarted", lambda: all(container(api, n).get("restartCount") == 1 for n in ("node-a", "node-b")))
    until("both to be ready", lambda: numbers(api) == (2, 1, 2))
    check(runs_from(lab, "node-b", bin_dir) and runs_from(lab, "node-a", labs.BIN), "an agent came back as another release")
    return first


def nobody_has_it(lab, api, first):
    a = agent(lab, "node-a")
    template(api, "9.9.8")
    delete(api, "node-b")
    until("the image to be missed",
          lambda: container(api, "node-b").get("state", {}).get("waiting", {}).get("reason") == "ImagePullBackOff")
    until("node-b's agent to be away", lambda: numbers(api) == (2, 1, 1))
    labs.wait(2)  # the node forwards without it
    template(api, first)
    delete(api, "node-b")
    until("node-b to be taken back", lambda: numbers(api) == (2, 2, 2))
    check(agent(lab, "node-a") == a, "node-a's agent did not stay")


def sees_namespaces_of_pods(lab):
    """A container sees those that are mounted after its start: else what an endpoint's sockets are is not known."""
    files = glob.glob(lab.dir + "/nodes/*/run/*/state/*.json")
    known = [json.loads(labs.read(f)).get("netnsCookie") for f in files]
    check(len(known) > 4 and all(known), f"endpoints without their namespace: {list(zip(files, known))}")


def on_delete_under_load():
    with Lab("pe-ds") as lab, tempfile.TemporaryDirectory() as folder:
        manifests = shutil.copytree(os.path.join(labs.SOURCE, "deploy/lab/manifests", NAMESPACE), os.path.join(folder, "m"))
        os.remove(os.path.join(manifests, "istio.yaml"))
        lab.up("--nodes", "2", "--manifests", manifests)
        api = Api(lab, folder)
        check(numbers(api) == (2, 2, 2), f"after up: {numbers(api)}")
        for server, (port, callers) in POLICIES.items():
            api.must("a policy to be stored", (201, 409), "POST",
                     f"/apis/cilium.io/v2/namespaces/{NAMESPACE}/ciliumnetworkpolicies", policy(server, port, callers))
        steady(lab)
        before = counts(lab)
        sees_namespaces_of_pods(lab)
        first = node_by_node(lab, api, folder)
        nobody_has_it(lab, api, first)
        labs.wait(1)
        after = counts(lab)
        check(bad(after) == bad(before), details(before, after))
        print(f"     {total(after, 'ok') - total(before, 'ok')} requests passed")
        lab.down()
        lab.check_no_traces("upgrades and down")


if __name__ == "__main__":
    labs.need("sidestep-lab", "sidestepd", "sidestep", "sidestep-cni")
    labs.main([on_delete_under_load])

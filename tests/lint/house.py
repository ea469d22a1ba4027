# SPDX-License-Identifier: Apache-2.0
"""The table of folders: what each may include, and where third-party headers live."""

# Direct arrows; they are transitive. A folder not named here (a program's subfolder) belongs to the longest prefix.
ARROWS = {
    "lib/base": [],
    "lib/pattern": ["lib/base"],
    "lib/net": ["lib/base"],
    "lib/doc": ["lib/base"],
    "lib/loop": ["lib/base"],
    "lib/http": ["lib/loop"],
    "lib/object": ["lib/doc", "lib/net"],
    "lib/diff": ["lib/object"],
    "lib/kube": ["lib/object", "lib/http"],
    "lib/mesh": ["lib/object", "datapath/abi"],
    "lib/istio": ["lib/object"],
    "lib/agentapi": ["lib/object", "lib/report", "datapath/abi"],
    "lib/flow": ["lib/doc", "lib/net", "datapath/abi"],
    "lib/report": ["lib/doc"],
    "lib/step": ["lib/report"],
    "lib/store": ["lib/doc"],
    "lib/cli": ["lib/base"],
    "lib/run": ["lib/step", "lib/kube", "lib/cli"],
    "datapath/abi": [],
    "datapath/bpf": ["datapath/abi"],
    "agent": ["lib", "datapath/abi", "datapath/bpf", "agent/datapath"],
    "agent/datapath": ["lib", "datapath/abi", "datapath/bpf"],
    "agent/cli": ["lib", "datapath/abi", "agent/datapath"],
    "agent/cni": ["lib", "datapath/abi"],
    "migrate": ["lib"],
    "preflight": ["lib"],
    "upgrade": ["lib"],
    "runbooks": ["lib"],
    "deploy/lab": ["lib"],
    "deploy/lab/apiserver": ["lib"],
    "tests": ["lib", "datapath/abi", "datapath/bpf", "agent", "agent/datapath", "agent/cni", "migrate", "preflight", "upgrade", "runbooks",
              "deploy/lab", "deploy/lab/apiserver"],
}
LIBRARIES = sorted(f for f in ARROWS if f.startswith("lib/"))

# A folder that is part of another program, seen from there.
PARTS = {"deploy/lab": ["deploy/lab/apiserver"]}

# Header prefix -> folders that may include it.
HOMES = {
    "yaml.h": ["lib/doc"],
    "jansson.h": ["lib/doc"],
    "event2/": ["lib/loop", "lib/http"],
    "curl/": ["lib/http"],
    "nghttp2/": ["lib/grpc"],
    "protobuf-c/": ["lib/grpc", "lib/flow"],
    "git2.h": ["lib/store"],
    "libmnl/": ["lib/net"],
    "pcre2.h": ["lib/flow"],
    "zlib.h": ["lib/grpc", "preflight"],
    "bpf/": ["agent", "preflight", "tests", "datapath/bpf"],
    "openssl/": ["lib/http", "lib/step", "lib/diff", "agent/auth"],
    "uthash.h": ["lib/base"],
    "cmocka.h": ["tests"],
}


def reach(folder):
    """Every folder that folder may include, itself among them."""
    seen, todo = set(), [folder] + PARTS.get(folder, [])
    while todo:
        at = todo.pop()
        for name in LIBRARIES if at == "lib" else [at]:
            if name in seen:
                continue
            seen.add(name)
            todo.extend(ARROWS.get(name, []))
    return seen

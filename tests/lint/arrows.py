# SPDX-License-Identifier: Apache-2.0
"""Arrows point down only: project includes, third-party homes, and the edges of target_link_libraries."""
import os
import re

import house
import tree

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)
LIBRARY = re.compile(r"sidestep_library\(\s*(\w+)(.*?)\)", re.S)


def check_includes(complaints):
    for path in tree.files(".c", ".h"):
        folder = tree.folder_of(path, house.ARROWS)
        if not folder:
            complaints.append(f"{path}: its folder is not in tests/lint/house.py")
            continue
        allowed = house.reach(folder)
        for match in INCLUDE.finditer(tree.read(path)):
            line = tree.read(path)[:match.start(2)].count("\n") + 1
            target = match.group(2)
            if match.group(1) == '"' and not target.endswith(".skel.h"):
                to = tree.folder_of(target, house.ARROWS)
                if not to:
                    complaints.append(f'{path}:{line}: "{target}" is not written from the source root')
                elif to not in allowed:
                    complaints.append(f"{path}:{line}: {folder} must not include {to}")
            for prefix, homes in house.HOMES.items():
                if target.startswith(prefix) and not any(path.startswith(h + "/") for h in homes):
                    complaints.append(f"{path}:{line}: <{target}> has its home in {', '.join(homes)}")


def check_links(complaints):
    for path in tree.files("CMakeLists.txt"):
        folder = os.path.dirname(path)
        if not folder.startswith("lib/"):
            continue
        for name, body in LIBRARY.findall(tree.read(path)):
            link = re.search(r"\bLINK\b(.*?)(\bPRIVATE_LINK\b|$)", body, re.S)
            for word in (link.group(1).split() if link else []):
                target = {"sidestep_abi": "datapath/abi", "sidestep_datapath_abi": "datapath/abi"}.get(
                    word, word.replace("sidestep_", "lib/", 1))
                if target not in house.reach(folder):
                    complaints.append(f"{path}: sidestep_{name} must not link {word}")


found = []
check_includes(found)
check_links(found)
tree.finish(found, "arrows")

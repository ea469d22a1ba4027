# SPDX-License-Identifier: Apache-2.0
"""Functions have at most 60 lines (tables are no functions); files that pass 600 are named, not refused."""
import tree

LIMIT, THINK = 60, 600

found = []
for path in tree.files(".c", ".h"):
    lines = tree.strip_comments(tree.read(path)).split("\n")
    if len(lines) > THINK:
        print(f"note: {path} has {len(lines)} lines: think about what it is made of")
    start, table, exempt = None, None, 0
    for i, line in enumerate(lines, 1):
        if line == "{":
            start, table, exempt = i, None, 0
        elif line.startswith("}") and start is not None:
            if i - start - 1 - exempt > LIMIT:
                found.append(f"{path}:{start}: a function of {i - start - 1 - exempt} lines (at most {LIMIT})")
            start = None
        elif start is not None and table is None and line.endswith("= {"):
            table, indent = i, len(line) - len(line.lstrip())
        elif table is not None and line.lstrip().startswith("}") and len(line) - len(line.lstrip()) <= indent:
            exempt, table = exempt + i - table, None
tree.finish(found, "length")

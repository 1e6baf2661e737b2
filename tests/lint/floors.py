"""A file includes only its own room and what stands on a lower floor; docs/design.md draws them.

Base and the public header are below everyone. MPI, hwloc and CUDA each have one room that may
include them. The kernels stand apart: they include nothing of the library.
"""

import re

import source

FLOORS = {
    "base": 0,
    "include": 0,
    "wire": 1,
    "nvml": 1,
    "topo": 2,
    "fabric": 3,
    "device": 3,
    "job": 3,
    "core": 4,
    "compute": 4,
    "object": 5,
    "pool": 6,
    "runtime": 7,
    "launch": 8,
}
PUBLIC = "troupe"
MPI_PUBLIC = "troupe/mpi.h"  # the public header that shows MPI; fabric implements it
KERNELS = "kernels"

# Outside headers and the rooms that may include them.
OWNERS = (
    (re.compile(r"mpi(_\w+)?\.h$|mpi-ext\.h$"), {"fabric"}),
    (re.compile(r"hwloc(/.*)?\.h$|hwloc\.h$"), {"topo"}),
    (re.compile(r"(cuda|cu|nv)\w*\.h$|cooperative_groups.*"), {"device", KERNELS}),
)

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)


def room_of(path, root):
    """The room a file belongs to: src/<room>/…, launch or kernels."""
    parts = path.relative_to(root).parts
    return parts[1] if parts[0] == "src" and len(parts) > 2 else parts[0]


def target_of(path, name):
    """The room an include leads to; None for a header of the system."""
    first = name.split("/")[0]
    if first == PUBLIC:
        return "include"
    if first in FLOORS or first == KERNELS:
        return first
    if "/" not in name and (path.parent / name).exists():
        return "own"
    return None


def judge(path, room, quoted, name):
    """What is wrong with one include, or None."""
    if ".." in name.split("/"):
        return f'"{name}" climbs out of its folder; write room/file.h'
    if name == MPI_PUBLIC:
        return None if room == "fabric" else f"only fabric may include {name}"
    for pattern, rooms in OWNERS:
        if not quoted and pattern.match(name) and path.parts[-2:] != tuple(MPI_PUBLIC.split("/")):
            return None if room in rooms else f"only {' and '.join(sorted(rooms))} may include <{name}>"
    target = target_of(path, name)
    if target is None:
        return f'"{name}" is in no room; write room/file.h' if quoted else None
    if target in ("own", room):
        return None
    if room == KERNELS:
        return f"{KERNELS} includes nothing of the library, and {name} is of it"
    if target == KERNELS:
        return None if room == "compute" else f"only compute may include {name}"
    if target in ("base", "include") and room != "include":
        return None
    if FLOORS[target] < FLOORS[room]:
        return None
    return (f"{room} (floor {FLOORS[room]}) includes {name} (floor {FLOORS[target]}); "
            "include only what stands lower")


def lint(root):
    for path in source.files(root, "src", "launch", "kernels"):
        room = room_of(path, root)
        where = path.relative_to(root)
        if room not in FLOORS and room != KERNELS:
            yield f"{where}:1: {room} stands on no floor; add it to docs/design.md and to floors.py"
            continue
        text = source.without_comments(path)
        for match in INCLUDE.finditer(text):
            wrong = judge(path, room, match.group(1) == '"', match.group(2))
            if wrong:
                line = text.count("\n", 0, match.start()) + 1
                yield f"{where}:{line}: {wrong}"


source.run(lint)

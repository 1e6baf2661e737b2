"""Whether what `troupe probe --json` printed is what docs/probe.md says; no figure is judged.

probe.py REPORT RANKS cpu|gpu|none [FIELD=JSON…]

Every rank must have each FIELD as given. Prints what is wrong, and ends with status 1 then.
"""

import json
import sys

TEXT_OR_NULL = (str, type(None))
NUMBER_OR_NULL = (int, float, type(None))
INTEGER_OR_NULL = (int, type(None))

WHOLE = {"schema": int, "troupe": str, "ok": bool, "ranks": list}
RANK = {
    "rank": int,
    "host": TEXT_OR_NULL,
    "node": INTEGER_OR_NULL,
    "pid": INTEGER_OR_NULL,
    "cores": TEXT_OR_NULL,
    "numa": TEXT_OR_NULL,
    "device": TEXT_OR_NULL,
    "gpu": (dict, type(None)),
    "sharers": INTEGER_OR_NULL,
    "gb_each_s": NUMBER_OR_NULL,
    "verified": bool,
    "slow": bool,
    "error": TEXT_OR_NULL,
}
GPU = {
    "name": TEXT_OR_NULL,
    "pci": TEXT_OR_NULL,
    "uuid": TEXT_OR_NULL,
    "temperature_c": INTEGER_OR_NULL,
    "ecc_corrected": INTEGER_OR_NULL,
    "ecc_uncorrected": INTEGER_OR_NULL,
}


def fields(where, found, expected):
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            yield f"{where}: {name} is missing"
        elif name not in expected:
            yield f"{where}: {name} is unknown"
        elif not isinstance(found[name], expected[name]):
            yield f"{where}: {name} is {found[name]!r}"


def rank_judge(rank, number, device, wanted):
    where = f"rank {number}"
    yield from fields(where, rank, RANK)
    if rank.get("gpu") is not None:
        yield from fields(f"{where}'s gpu", rank["gpu"], GPU)
    told = rank.get("device") or "none"
    if (rank.get("gpu") is not None) != (device == "gpu") or told != device:
        yield f"{where} is not on the {device}"
    if rank.get("rank") != number:
        yield f"{where} says that it is {rank.get('rank')}"
    for name, value in wanted.items():
        if rank.get(name) != value:
            yield f"{where}: {name} is {rank.get(name)!r} in place of {value!r}"
    if (rank.get("error") is None) != (rank.get("verified") is True):
        yield f"{where}: error and verified disagree"


def main():
    path, ranks, device, *pairs = sys.argv[1:]
    wanted = {name: json.loads(value) for name, value in (pair.split("=", 1) for pair in pairs)}
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    wrong = list(fields("the report", report, WHOLE))
    if report.get("schema") != 1:
        wrong.append(f"schema {report.get('schema')} is not 1")
    if len(report.get("ranks", [])) != int(ranks):
        wrong.append(f"{len(report.get('ranks', []))} ranks in place of {ranks}")
    for number, rank in enumerate(report.get("ranks", [])):
        wrong += rank_judge(rank, number, device, wanted)
    if report.get("ok") != all(rank.get("verified") for rank in report.get("ranks", [])):
        wrong.append("ok is not what the ranks say")
    if len({rank.get("pid") for rank in report["ranks"] if rank.get("pid")}) != int(ranks):
        wrong.append("the pids are not one a rank")
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

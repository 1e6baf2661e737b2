"""Whether a report of `troupe bench --json` is what docs/bench.md says; no figure is judged.

schema.py REPORT --names FILE [--complete [--absent FILE] [--alone FILE]] [--runs K]

REPORT has to have the results that FILE names, line by line. With --complete every bench has a
value, and every baseline too, but for those that --absent names, which have none, and those that
--alone names, which have no baseline. Prints what is wrong, and ends with status 1 when something
is.
"""

import argparse
import json
import sys

NUMBER = (int, float)
TEXT_OR_NULL = (str, type(None))
NUMBER_OR_NULL = (*NUMBER, type(None))

WHOLE = {"schema": int, "machine": dict, "results": list}
MACHINE = {
    "date": str,
    "troupe": str,
    "kernel": str,
    "cpu": TEXT_OR_NULL,
    "cores": int,
    "memory_mb": int,
    "mpi": TEXT_OR_NULL,
    "python": TEXT_OR_NULL,
}
RESULT = {
    "name": str,
    "bytes": int,
    "ranks": int,
    "value": NUMBER_OR_NULL,
    "value_min": NUMBER_OR_NULL,
    "value_max": NUMBER_OR_NULL,
    "unit": str,
    "runs": int,
    "baseline": TEXT_OR_NULL,
    "baseline_value": NUMBER_OR_NULL,
    "baseline_min": NUMBER_OR_NULL,
    "baseline_max": NUMBER_OR_NULL,
    "ratio": NUMBER_OR_NULL,
}
ROUNDING = 1e-4


def fields(where, found, expected):
    """Complaints about an object's fields and their types."""
    for name in expected.keys() | found.keys():
        if name not in found:
            yield f"{where}: {name} is missing"
        elif name not in expected:
            yield f"{where}: {name} is unknown"
        elif isinstance(found[name], bool) or not isinstance(found[name], expected[name]):
            yield f"{where}: {name} is {found[name]!r}"


def spread(result, median, least, most):
    """A median lies in its spread, and all three are null together."""
    numbers = [result[least], result[median], result[most]]
    if None in numbers:
        if numbers != [None] * 3:
            yield f"{result['name']}: {median} is null without its spread, or the reverse"
    elif numbers != sorted(numbers):
        yield f"{result['name']}: {median} lies outside its spread"


def close(one, other):
    return abs(one - other) <= ROUNDING * abs(other)


def quotient(result):
    """The ratio is a quotient of the two medians, either way up, and null without one."""
    value, baseline, ratio = result["value"], result["baseline_value"], result["ratio"]
    if ratio is None:
        return
    if value is None or baseline is None:
        yield f"{result['name']}: a ratio of nothing"
    elif not (close(ratio, value / baseline) or close(ratio, baseline / value)):
        yield f"{result['name']}: {ratio} is no quotient of {value} and {baseline}"


def judge_result(result, complete, absent, alone, runs):
    name = result.get("name", "a result without a name")
    complaints = list(fields(name, result, RESULT))
    if complaints:
        return complaints
    complaints += spread(result, "value", "value_min", "value_max")
    complaints += spread(result, "baseline_value", "baseline_min", "baseline_max")
    complaints += quotient(result)
    if runs is not None and result["runs"] != runs:
        complaints.append(f"{name}: {result['runs']} runs in place of {runs}")
    if name in absent:
        if result["value"] is not None:
            complaints.append(f"{name}: a value of what is not here")
        return complaints
    if complete and result["value"] is None:
        complaints.append(f"{name}: no value")
    if name in alone:
        if result["baseline_value"] is not None:
            complaints.append(f"{name}: a baseline of what is not here")
    elif complete and result["baseline"] is not None and result["baseline_value"] is None:
        complaints.append(f"{name}: no baseline")
    return complaints


def judge(report, names, complete, absent, alone, runs):
    complaints = list(fields("the report", report, WHOLE))
    if complaints:
        return complaints
    if report["schema"] != 1:
        complaints.append(f"schema {report['schema']} is not 1")
    complaints += fields("machine", report["machine"], MACHINE)
    found = [result.get("name") for result in report["results"]]
    if found != names:
        complaints.append(f"the results are {found} in place of {names}")
    for result in report["results"]:
        complaints += judge_result(result, complete, absent, alone, runs)
    return complaints


def names_of(path):
    """The words of a file; none without a file."""
    if path is None:
        return []
    with open(path, encoding="utf-8") as file:
        return file.read().split()


def main():
    parser = argparse.ArgumentParser(description="Judges a report of troupe bench --json.")
    parser.add_argument("report")
    parser.add_argument("--names", required=True)
    parser.add_argument("--complete", action="store_true")
    parser.add_argument("--absent")
    parser.add_argument("--alone")
    parser.add_argument("--runs", type=int)
    words = parser.parse_args()
    with open(words.report, encoding="utf-8") as file:
        report = json.load(file)
    names, absent, alone = (names_of(file) for file in (words.names, words.absent, words.alone))
    complaints = judge(report, names, words.complete, absent, alone, words.runs)
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())

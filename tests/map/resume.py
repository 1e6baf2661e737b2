"""A list of 1 000 tasks whose job is killed at random moments and resumed until it is done.

After every death what the journal says is done has its output, whole and in its place. In the end
every task is recorded once, as done, and the effect of just the recorded attempt counts: it is
there. A quarter of the deaths hit every process of the run at once, as the loss of a machine would; half
hit the supervisor, and what is left ends by itself; the others hit anybody: the parent, mpirun, a
rank or a worker, without which the run goes on.
"""

import fcntl
import os
import pathlib
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time

TASKS = 1000
RUNS = 200 if "TROUPE_TEST_FULL" in os.environ else 3
KILLS_MOST = 3  # of a run, before it may end
PATIENCE = 120  # seconds, for a test that has failed
RECORD = struct.Struct("<QQQQqqIIhBBBBBB")
BEGUN, ENDED, COMPLETE = 2, 3, 4
DONE = 1
NAMES = ("troupe", "mpirun", "troupe-map", "exe")  # a fresh process is executed as /proc/self/exe
COMMAND = 'echo "$1 $2" >effects/$1.$2; echo "$1 $2"'


def ends(journal):
    """The records of ends, in order; a torn one at the end of the file counts as absent."""
    data = journal.read_bytes() if journal.exists() else b""
    found = []
    for at in range(0, len(data) - RECORD.size + 1, RECORD.size):
        record = RECORD.unpack_from(data, at)
        kind, state = record[9], record[10]
        if kind == ENDED:
            found.append({"key": record[1:3], "seq": record[3], "attempt": record[6], "state": state})
    return found


def judge(folder, what):
    """What is recorded as done has its output and its effect; returns the records."""
    records = ends(folder / "journal")
    for record in records:
        output = (folder / "results" / f"{record['seq']}.out").read_text()
        wanted = f"{record['seq']} {record['attempt']}\n"
        assert output == wanted, f"{what}: task {record['seq']} is done, its output is {output!r}"
        assert (folder / "effects" / wanted.strip().replace(" ", ".")).exists(), f"{what}: no effect of {wanted}"
        assert record["state"] == DONE, f"{what}: task {record['seq']} ended in state {record['state']}"
    keys = [record["key"] for record in records]
    assert len(keys) == len(set(keys)), f"{what}: a task is recorded twice"
    return records


def below(pid):
    """A process and all below it."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, left = [], [pid]
    while left:
        found.append(left.pop())
        left += children.get(found[-1], [])
    return found


def name_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def kill(pid, chance):
    """Kills part of a run, or all of it."""
    family, draw = below(pid), chance.random()
    if draw < 0.25:
        victims = family
    elif draw < 0.75:
        victims = [pid]
    else:
        victims = [chance.choice([p for p in family if name_of(p) in NAMES] or family)]
    for victim in victims:
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            pass


def released(journal):
    """Waits until nobody holds the journal: the last of the run is gone."""
    with open(journal, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)


def run(folder, number, chance):
    (folder / "effects").mkdir()
    deaths = 0
    for attempt in range(1, 100):
        resume = ["--resume"] if (folder / "journal").exists() else []
        child = subprocess.Popen(
            ["troupe", "map", "-q", "-n", "2", "--journal", "journal", "--output-dir", "results", *resume,
             "--inputs", "list", "sh", "-c", COMMAND, "sh", "{}", "{attempt}"],
            cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            if deaths < KILLS_MOST:
                time.sleep(chance.uniform(0.1, 1.0))  # the moment of the death, nothing is waited for
                kill(child.pid, chance)
            error = child.communicate(timeout=PATIENCE)[1].decode(errors="replace")
        except subprocess.TimeoutExpired:
            kill(child.pid, random.Random(0))
            raise AssertionError(f"run {number}, attempt {attempt}: it hangs") from None
        if (folder / "journal").exists():
            released(folder / "journal")
        records = judge(folder, f"run {number}, attempt {attempt}")
        if child.returncode == 0:
            assert len(records) == TASKS, f"run {number}: {len(records)} records of {TASKS}\n{error}"
            return deaths
        assert deaths < KILLS_MOST, f"run {number}: status {child.returncode} without a death\n{error}"
        deaths += 1
    raise AssertionError(f"run {number} does not come to its end")


def main():
    seed = int(os.environ.get("TROUPE_TEST_SEED", random.SystemRandom().randrange(1 << 30)))
    chance, deaths = random.Random(seed), 0
    print(f"TROUPE_TEST_SEED={seed}", flush=True)
    for number in range(1, RUNS + 1):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "list").write_text("".join(f"{i}\n" for i in range(1, TASKS + 1)))
            deaths += run(folder, number, chance)
    print(f"{RUNS} runs of {TASKS} tasks, {deaths} deaths: every task is done and recorded once")


if __name__ == "__main__":
    sys.exit(main())

"""The Python side of the benches: multiprocessing as it comes. Prints one number:

    python3 python.py MODE COUNT BYTES RANKS
"""

import importlib.util
import multiprocessing
import os
import random
import sys
import time

ABSENT = 77  # for troupe bench: what is to be measured is not on this machine
KEYS = 40000
WARM_UP_PART = 10


def nothing():
    """What a process does in the start bench."""


def us_each(operate, count):
    """Microseconds of one operation, after a warm-up."""
    for _ in range(count // WARM_UP_PART):
        operate()
    begin = time.perf_counter()
    for _ in range(count):
        operate()
    return (time.perf_counter() - begin) * 1e6 / count


def pool_apply(count, _size, ranks):
    """Microseconds of an empty call by a pool of processes that stand ready."""
    with multiprocessing.Pool(ranks) as pool:
        return us_each(lambda: pool.apply(nothing), count)


def number(value):
    """What a task of the map benches does."""
    return value


def pool_map(chunksize):
    """A mode that gives tasks a second of a map, in chunks of a size or of Python's own."""

    def measure(count, _size, ranks):
        with multiprocessing.Pool(ranks) as pool:
            numbers = range(count)
            pool.map(number, numbers, chunksize)
            begin = time.perf_counter()
            pool.map(number, numbers, chunksize)
            return count / (time.perf_counter() - begin)

    return measure


def futures_map(count):
    """Tasks a second of a map over mpi4py's ranks, one by one."""
    from mpi4py.futures import MPIPoolExecutor

    with MPIPoolExecutor() as pool:
        for _ in pool.map(number, range(count), chunksize=1):
            pass
        begin = time.perf_counter()
        for _ in pool.map(number, range(count), chunksize=1):
            pass
        return count / (time.perf_counter() - begin)


def futures_apply(count):
    """Microseconds of an empty call by a rank of mpi4py's."""
    from mpi4py.futures import MPIPoolExecutor

    with MPIPoolExecutor() as pool:
        return us_each(lambda: pool.submit(nothing).result(), count)


def on_ranks(measure):
    """A mode that measures in a pool of mpi4py's, whose ranks mpirun starts: one more than work."""

    def run(count, size, ranks):
        if "mpi4py.futures" in sys.modules:
            return measure(count)
        if importlib.util.find_spec("mpi4py") is None:
            print("mpi4py is not installed: pip install mpi4py", file=sys.stderr)
            sys.exit(ABSENT)
        line = [os.environ.get("TROUPE_MPIRUN") or "mpirun"]
        line += ["--allow-run-as-root"] if os.geteuid() == 0 else []
        line += ["--oversubscribe"] if ranks + 1 > os.cpu_count() else []
        line += ["-n", str(ranks + 1), sys.executable, "-m", "mpi4py.futures", *sys.argv]
        os.execvp(line[0], line)

    return run


def sleeper(seconds):
    """What a task of the balance bench does; it tells how long that took."""
    begin = time.perf_counter()
    time.sleep(seconds)
    return time.perf_counter() - begin


def pool_balance(count, _size, ranks):
    """How near to the ideal time a map of uneven tasks comes."""
    chosen = random.Random(1)
    sleeps = [min(0.001 / (1 - chosen.random()) ** (1 / 0.8), 0.1) for _ in range(count)]
    with multiprocessing.Pool(ranks) as pool:
        begin = time.perf_counter()
        took = pool.map(sleeper, sleeps)
        return max(sum(took) / ranks, max(took)) / (time.perf_counter() - begin)


def start_and_join(method):
    """A mode: microseconds of an empty process by that method, started and joined."""

    def measure(count, _size, _ranks):
        context = multiprocessing.get_context(method)

        def once():
            process = context.Process(target=nothing)
            process.start()
            process.join()
            process.close()

        return us_each(once, count)

    return measure


def produce(there, count, size):
    """Puts count messages, the first of them the moment it began."""
    message = bytes(size)
    there.put(time.perf_counter())
    for _ in range(count):
        there.put(message)


def queue_stream(count, size, _ranks):
    """Messages a second from one process to this one."""
    there = multiprocessing.Queue()
    producer = multiprocessing.Process(target=produce, args=(there, count, size))
    producer.start()
    begin = there.get()
    for _ in range(count):
        there.get()
    end = time.perf_counter()
    producer.join()
    return count / (end - begin)


def echo(there, back):
    """Returns each message until an empty one comes."""
    while message := there.get():
        back.put(message)


def queue_rtt(count, size, _ranks):
    """Microseconds of a message to another process and back."""
    there, back = multiprocessing.Queue(), multiprocessing.Queue()
    other = multiprocessing.Process(target=echo, args=(there, back))
    other.start()
    message = bytes(size)

    def trip():
        there.put(message)
        back.get()

    us = us_each(trip, count)
    there.put(b"")
    other.join()
    return us


def lock_turn(count, _size, _ranks):
    """Microseconds of an acquire and a release."""
    lock = multiprocessing.Lock()

    def turn():
        lock.acquire()
        lock.release()

    return us_each(turn, count)


def pipe_echo(end):
    """Returns each message until an empty one comes."""
    while message := end.recv_bytes():
        end.send_bytes(message)


def pipe_rtt(count, size, _ranks):
    """Microseconds of a message through a pipe to another process and back."""
    own, other_end = multiprocessing.Pipe()
    other = multiprocessing.Process(target=pipe_echo, args=(other_end,))
    other.start()
    message = bytes(size)

    def trip():
        own.send_bytes(message)
        own.recv_bytes()

    us = us_each(trip, count)
    own.send_bytes(b"")
    other.join()
    return us


def dict_operation(operation):
    """A mode that runs operation(dict, key, value) on random keys of a manager's dict."""

    def measure(count, size, _ranks):
        value = bytes(size)
        keys = [f"k{i:015}" for i in range(KEYS)]
        chosen = random.Random(1)
        with multiprocessing.Manager() as manager:
            shared = manager.dict(dict.fromkeys(keys, value))
            return us_each(lambda: operation(shared, chosen.choice(keys), value), count)

    return measure


def list_append(count, size, _ranks):
    """Microseconds of an append to a manager's list."""
    item = bytes(size)
    with multiprocessing.Manager() as manager:
        shared = manager.list()
        return us_each(lambda: shared.append(item), count)


def list_get(count, size, _ranks):
    """Microseconds of a look at a random item of a manager's list."""
    chosen = random.Random(1)
    with multiprocessing.Manager() as manager:
        shared = manager.list([bytes(size)] * KEYS)
        return us_each(lambda: shared[chosen.randrange(KEYS)], count)


def value_add(count, _size, _ranks):
    """Microseconds of an addition to a shared value, under the value's own lock."""
    value = multiprocessing.Value("q", 0)

    def add():
        with value.get_lock():
            value.value += 1

    return us_each(add, count)


MODES = {
    "pool.apply": pool_apply,
    "process.fork": start_and_join("fork"),
    "process.spawn": start_and_join("spawn"),
    "pool.balance": pool_balance,
    "pool.map": pool_map(None),
    "pool.map.chunk1": pool_map(1),
    "futures.map.chunk1": on_ranks(futures_map),
    "futures.apply": on_ranks(futures_apply),
    "queue.stream": queue_stream,
    "queue.rtt": queue_rtt,
    "lock": lock_turn,
    "pipe.rtt": pipe_rtt,
    "dict.get": dict_operation(lambda shared, key, value: shared[key]),
    "dict.set": dict_operation(lambda shared, key, value: shared.__setitem__(key, value)),
    "list.append": list_append,
    "list.get": list_get,
    "value.add": value_add,
    "dict.miss": dict_operation(lambda shared, key, value: shared.get("m" + key)),
    "dict.add": dict_operation(
        lambda shared, key, value: shared.__setitem__("n", shared.get("n", 0) + 1)),
}


def main():
    if len(sys.argv) != 5 or sys.argv[1] not in MODES:
        print(f"usage: python.py {'|'.join(MODES)} COUNT BYTES RANKS", file=sys.stderr)
        return 2
    print(MODES[sys.argv[1]](*map(int, sys.argv[2:])))
    return 0


if __name__ == "__main__":
    sys.exit(main())

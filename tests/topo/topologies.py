"""Writes the machines of tests/data/topologies as hwloc XML (version 2).

    python3 tests/topo/topologies.py tests/data/topologies

Each machine is drawn from what real ones of its kind show; the files are committed, so that tests
need neither Python nor lstopo, and real machines' files can lie beside them.
"""

import pathlib
import sys
from xml.sax.saxutils import quoteattr

NVIDIA_3D = "0302 [10de:20b0] [10de:1450] a1"
NVIDIA_VGA = "0300 [10de:2204] [10de:147d] a1"
NVSWITCH = "0680 [10de:1af1] [10de:1598] a1"
NVIDIA_AUDIO = "0403 [10de:1aef] [10de:147d] a1"
BMC_VGA = "0300 [1a03:2000] [1a03:2000] 41"
MATROX_VGA = "0300 [102b:0536] [1028:0716] 04"
AMD_GPU = "0380 [1002:740f] [1002:0c34] 02"
NIC = "0200 [15b3:101b] [15b3:0007] 00"


def bitmap(numbers):
    value = sum(1 << number for number in set(numbers))
    words = []
    while value:
        words.append(value & 0xFFFFFFFF)
        value >>= 32
    return ",".join(f"0x{word:08x}" for word in reversed(words)) or "0x0"


class Writer:
    def __init__(self, allowed=None):
        self.lines = ['<?xml version="1.0" encoding="UTF-8"?>',
                      '<!DOCTYPE topology SYSTEM "hwloc2.dtd">', '<topology version="2.0">']
        self.depth = 1
        self.gp_index = 0
        self.allowed = allowed

    def open(self, kind, close=False, /, **attributes):
        self.gp_index += 1
        attributes["gp_index"] = self.gp_index
        text = " ".join(f"{key}={quoteattr(str(value))}" for key, value in attributes.items())
        self.lines.append("  " * self.depth + f'<object type="{kind}" {text}' + ("/>" if close else ">"))
        self.depth += 0 if close else 1

    def close(self):
        self.depth -= 1
        self.lines.append("  " * self.depth + "</object>")

    def info(self, name, value):
        self.lines.append("  " * self.depth + f"<info name={quoteattr(name)} value={quoteattr(value)}/>")

    def sets(self, cpus, nodes):
        return {"cpuset": bitmap(cpus), "complete_cpuset": bitmap(cpus),
                "nodeset": bitmap(nodes), "complete_nodeset": bitmap(nodes)}

    def numa(self, node, cpus, **more):
        self.open("NUMANode", True, os_index=node, **self.sets(cpus, [node]),
                  local_memory=64 << 30, **more)

    def pci(self, busid, kind, name="", infos=(), uuid=None):
        self.open("PCIDev", name=name, pci_busid=busid, pci_type=kind, pci_link_speed="15.753846")
        for key, value in infos:
            self.info(key, value)
        if uuid:
            self.open("OSDev", name="nvml0", subtype="NVML", osdev_type="5")
            self.info("NVIDIAUUID", uuid)
            self.close()
        self.close()

    def end(self, distances=None):
        self.close()
        if distances:
            nodes, values = distances
            indexes = " ".join(map(str, nodes)) + " "
            text = " ".join(str(value) for row in values for value in row) + " "
            self.lines += [f'  <distances2 type="NUMANode" nbobjs="{len(nodes)}" kind="5" '
                           'name="NUMALatency" indexing="os">',
                           f'    <indexes length="{len(indexes)}">{indexes}</indexes>',
                           f'    <u64values length="{len(text)}">{text}</u64values>',
                           "  </distances2>"]
        self.lines += ["</topology>", ""]
        return "\n".join(self.lines)


class Device:
    """A PCI device, below the bridges whose buses are named, on a NUMA node (None: the root)."""

    def __init__(self, busid, numa, kind=NVIDIA_3D, name="NVIDIA A100-SXM4-80GB", bridges=(),
                 infos=(), uuid=None):
        self.busid, self.numa, self.kind, self.name = busid, numa, kind, name
        self.bridges, self.infos, self.uuid = bridges, infos, uuid


def devices_write(writer, devices):
    for number, device in enumerate(devices):
        domain, bus = device.busid.split(":")[:2]
        writer.open("Bridge", os_index=number, bridge_type="0-1", depth="0",
                    bridge_pci=f"{domain}:[{bus}-{bus}]")
        for depth, below in enumerate(device.bridges, 1):
            writer.open("Bridge", bridge_type="1-1", depth=depth,
                        bridge_pci=f"{domain}:[{below}-{bus}]",
                        pci_busid=f"{domain}:{below}:00.0", pci_type="0604 [10b5:8747] [0000:0000] ca",
                        pci_link_speed="0")
        writer.pci(device.busid, device.kind, device.name, device.infos, device.uuid)
        for _ in range(len(device.bridges) + 1):
            writer.close()


def machine(name, packages, devices, smt=1, allowed=None, memory_nodes=(), slit=None,
            numbering=None, node_numbers=None):
    """packages: for each a list of its NUMA nodes' core counts.
    memory_nodes: (OS number, package) of nodes without CPUs; package None hangs at the root.
    node_numbers: the OS numbers of the nodes with CPUs, where they are not 0, 1, 2 …"""
    cores = sum(sum(package) for package in packages)
    number = numbering or (lambda core, thread: core + thread * cores)
    node_of_package, pus_of_node, core, node = [], [], 0, 0
    for package in packages:
        node_of_package.append([])
        for count in package:
            pus_of_node.append([[number(core + i, thread) for thread in range(smt)]
                                for i in range(count)])
            core += count
            node_of_package[-1].append(node)
            node += 1
    os_node = node_numbers or range(node)
    every = [pu for cells in pus_of_node for cell in cells for pu in cell]
    nodes = [os_node[n] for n in range(node)] + [memory for memory, _ in memory_nodes]
    writer = Writer()
    writer.open("Machine", os_index=0, **writer.sets(every, nodes),
                allowed_cpuset=bitmap(every if allowed is None else allowed),
                allowed_nodeset=bitmap(nodes))
    writer.info("HostName", name)
    writer.info("Backend", "Linux")
    for memory, package in memory_nodes:
        if package is None:
            writer.numa(memory, [])
    for index, (package, own) in enumerate(zip(packages, node_of_package)):
        pus = [pu for cell in own for core_pus in pus_of_node[cell] for pu in core_pus]
        memories = [memory for memory, home in memory_nodes if home == index]
        writer.open("Package", os_index=index,
                    **writer.sets(pus, [os_node[n] for n in own] + memories))
        for memory in memories:
            writer.numa(memory, pus, subtype="GPUMemory")
        for cell in own:
            cell_pus = [pu for core_pus in pus_of_node[cell] for pu in core_pus]
            if len(own) > 1:
                writer.open("Group", **writer.sets(cell_pus, [os_node[cell]]), kind="101",
                            subkind="0")
            writer.numa(os_node[cell], cell_pus)
            for position, core_pus in enumerate(pus_of_node[cell]):
                writer.open("Core", os_index=position, **writer.sets(core_pus, [os_node[cell]]))
                for pu in core_pus:
                    writer.open("PU", True, os_index=pu, **writer.sets([pu], [os_node[cell]]))
                writer.close()
            devices_write(writer, [d for d in devices if d.numa == cell and len(own) > 1])
            if len(own) > 1:
                writer.close()
        if len(own) == 1:
            devices_write(writer, [d for d in devices if d.numa == own[0]])
        devices_write(writer, [d for d in devices if d.numa == ("package", index)])
        writer.close()
    devices_write(writer, [d for d in devices if d.numa is None])
    return writer.end(([os_node[n] for n in range(node)], slit) if slit else None)


def bare(name, pus, devices):
    """A virtual machine that shows PUs alone: no package, no core, and all devices at the root."""
    writer = Writer()
    every = list(range(pus))
    writer.open("Machine", os_index=0, **writer.sets(every, [0]), allowed_cpuset=bitmap(every),
                allowed_nodeset=bitmap([0]))
    writer.info("HostName", name)
    writer.numa(0, every)
    for pu in every:
        writer.open("PU", True, os_index=pu, **writer.sets([pu], [0]))
    devices_write(writer, devices)
    return writer.end()


def uuid(number):
    return f"GPU-{number:08x}-aaaa-bbbb-cccc-{number * 0x1111:012x}"


MACHINES = {
    "two-sockets-four-gpus-on-one": lambda name: machine(
        name, [[8], [8]], [Device(f"0000:{bus:02x}:00.0", 0) for bus in (0x17, 0x31, 0x4b, 0x65)],
        smt=2),
    # The files list devices below their NUMA node, so hwloc meets them in another order than PCI's.
    "eight-numa-out-of-order": lambda name: machine(
        name, [[8] * 4, [8] * 4],
        [Device(f"0000:{bus:02x}:00.0", numa, uuid=uuid(0x10 + numa))
         for bus, numa in zip((0x07, 0x0b, 0x48, 0x4c, 0x88, 0x8b, 0xc8, 0xcb),
                              (3, 1, 0, 2, 7, 5, 6, 4))], smt=2,
        slit=[[10 if a == b else 12 if a // 4 == b // 4 else 32 for b in range(8)]
              for a in range(8)]),
    "eight-gpus-on-four-of-eight": lambda name: machine(
        name, [[8] * 4, [8] * 4],
        [Device(f"0000:{bus:02x}:00.0", numa)
         for bus, numa in zip((0x07, 0x0f, 0x47, 0x4e, 0x87, 0x90, 0xb7, 0xbd),
                              (3, 3, 1, 1, 7, 7, 5, 5))]),
    "domains": lambda name: machine(
        name, [[12], [12]],
        [Device("000a:00:00.0", 1), Device("0001:00:00.0", 0), Device("c0de:01:00.0", 1),
         Device("0002:00:00.0", 0)]),
    "no-locality": lambda name: machine(
        name, [[8], [8]], [Device(f"0000:{bus:02x}:00.0", None) for bus in (0xc1, 0x41, 0x01, 0x81)]),
    "switches": lambda name: machine(
        name, [[10], [10]],
        [Device("0000:1d:00.0", 0, bridges=("1a", "1b")), Device("0000:1b:00.0", 0, bridges=("1a",)),
         Device("0000:1c:00.0", 0, NIC, "ConnectX-6", ("1a", "1b")),
         Device("0000:3d:00.0", 0, bridges=("3a", "3b")), Device("0000:40:00.0", 0),
         Device("0000:8d:00.0", 1, bridges=("8a", "8b")), Device("0000:8b:00.0", 1, bridges=("8a",)),
         Device("0000:ad:00.0", 1, bridges=("aa", "ab")), Device("0000:b0:00.0", 1)], smt=2),
    "decoys": lambda name: machine(
        name, [[6], [6]],
        [Device("0000:02:00.0", 0, BMC_VGA, "ASPEED Graphics"),
         Device("0000:03:00.0", 0, MATROX_VGA, "G200eW3"),
         Device("0000:21:00.0", 0, NVSWITCH, "NVSwitch"),
         Device("0000:41:00.0", 0, NVIDIA_VGA, "NVIDIA GeForce RTX 3090"),
         Device("0000:41:00.1", 0, NVIDIA_AUDIO, "GA102 audio"),
         Device("0000:61:00.0", 1, AMD_GPU, "Instinct MI210"),
         Device("0000:a1:00.0", 1, NVIDIA_3D, "NVIDIA A100-PCIE-40GB")]),
    "memory-nodes": lambda name: machine(
        name, [[16], [16]],
        [Device("0004:04:00.0", 0), Device("0004:05:00.0", 0), Device("0035:03:00.0", 1),
         Device("0035:04:00.0", 1)], smt=4, numbering=lambda core, thread: core * 4 + thread,
        memory_nodes=[(252, 1), (253, 1), (254, 0), (255, None)]),
    "mig": lambda name: machine(
        name, [[16], [16]],
        [Device("0000:17:00.0", 0, uuid=uuid(1),
                infos=[("TroupeMIG", f"MIG-{part:08x}-1111-5222-8333-000000000001")
                       for part in (0xa1, 0xa2, 0xb3)]),
         Device("0000:65:00.0", 0, uuid=uuid(2)),
         Device("0000:ca:00.0", 1, uuid=uuid(0x23)),
         Device("0000:e3:00.0", 1, uuid=uuid(0x24))]),
    "sixteen": lambda name: machine(
        name, [[24], [24]],
        [Device(f"0000:{bus:02x}:00.0", 0 if bus < 0x80 else 1, name="NVIDIA Tesla V100-SXM3-32GB")
         for bus in (0x34, 0x36, 0x39, 0x3b, 0x57, 0x59, 0x5c, 0x5e,
                     0xb7, 0xb9, 0xbc, 0xbe, 0xe0, 0xe2, 0xe5, 0xe7)], smt=2),
    "uneven": lambda name: machine(
        name, [[5], [3], [4, 2]],
        [Device("0000:17:00.0", 1), Device("0000:31:00.0", 2), Device("0000:4b:00.0", 3)],
        slit=[[10, 21, 21, 21], [21, 10, 31, 31], [21, 31, 10, 12], [21, 31, 12, 10]]),
    "on-the-package": lambda name: machine(
        name, [[4, 4], [4, 4]],
        [Device("0000:17:00.0", ("package", 0)), Device("0000:a1:00.0", ("package", 1))]),
    "half-allowed": lambda name: machine(
        name, [[8], [8]], [Device("0000:17:00.0", 0), Device("0000:a1:00.0", 1)],
        allowed=range(10, 16)),
    "mixed-models": lambda name: machine(
        name, [[8]],
        [Device("0000:01:00.0", 0, NVIDIA_VGA, "NVIDIA T400"), Device("0000:41:00.0", 0)]),
    "dgx-1": lambda name: machine(
        name, [[20], [20]],
        [Device(f"0000:{bus}:00.0", numa, bridges=bridges, name="Tesla V100-SXM2-16GB")
         for bus, numa, bridges in (("06", 0, ("02", "04")), ("07", 0, ("02", "04")),
                                    ("0a", 0, ("02", "08")), ("0b", 0, ("02", "08")),
                                    ("85", 1, ("82", "83")), ("86", 1, ("82", "83")),
                                    ("89", 1, ("82", "87")), ("8a", 1, ("82", "87")))] +
        [Device("0000:05:00.0", 0, NIC, "ConnectX-4", ("02", "04")),
         Device("0000:84:00.0", 1, NIC, "ConnectX-4", ("82", "83"))], smt=2,
        slit=[[10, 21], [21, 10]]),
    # Each GPU shares its switch with a network adapter; NVSwitches hang on one socket.
    "dgx-h100": lambda name: machine(
        name, [[56], [56]],
        [Device(f"0000:{bus}:00.0", numa, bridges=(below,), name="NVIDIA H100 80GB HBM3",
                uuid=uuid(0x100 + number))
         for number, (bus, below, numa) in enumerate(
             (("1b", "19", 0), ("43", "41", 0), ("52", "50", 0), ("61", "5f", 0),
              ("9d", "9b", 1), ("c3", "c1", 1), ("d1", "cf", 1), ("df", "dd", 1)))] +
        [Device(f"0000:{bus}:00.0", numa, NIC, "ConnectX-7", (below,))
         for bus, below, numa in (("1a", "19", 0), ("42", "41", 0), ("9c", "9b", 1))] +
        [Device(f"0000:0{number}:00.0", 0, NVSWITCH, "NVSwitch") for number in (5, 6, 7, 8)],
        smt=2, slit=[[10, 21], [21, 10]]),
    # One socket in four parts, and the GPUs in the opposite order of the parts.
    "one-socket-nps4": lambda name: machine(
        name, [[16] * 4],
        [Device(f"0000:{bus}:00.0", numa, name="NVIDIA A100-SXM4-40GB")
         for bus, numa in (("03", 3), ("41", 2), ("82", 1), ("c1", 0))], smt=2,
        slit=[[10 if a == b else 12 for b in range(4)] for a in range(4)]),
    # POWER9: six GPUs whose memory is nodes without CPUs; node and CPU numbers with holes.
    "six-gpus-smt4": lambda name: machine(
        name, [[21], [21]],
        [Device(busid, numa, name="Tesla V100-SXM2-16GB", bridges=("03",))
         for busid, numa in (("0004:04:00.0", 0), ("0004:05:00.0", 0), ("0004:06:00.0", 0),
                             ("0035:03:00.0", 1), ("0035:04:00.0", 1), ("0035:05:00.0", 1))],
        smt=4, numbering=lambda core, thread: core * 4 + thread + (4 if core >= 21 else 0),
        memory_nodes=[(250, 1), (251, 1), (252, 1), (253, 0), (254, 0), (255, 0)],
        node_numbers=[0, 8], slit=[[10, 40], [40, 10]]),
    # Four CPUs, each with its GPU, in domains of their own; each GPU's memory is a node.
    "gpu-with-each-cpu": lambda name: machine(
        name, [[72]] * 4,
        [Device(f"{domain}:01:00.0", numa, name="NVIDIA GH200 120GB", uuid=uuid(0x200 + numa))
         for numa, domain in enumerate(("0009", "0019", "0029", "0039"))],
        memory_nodes=[(4, 0), (12, 1), (20, 2), (28, 3)],
        slit=[[10 if a == b else 40 for b in range(4)] for a in range(4)]),
    # The same with the device on its memory's node: that has no CPUs, so hwloc puts it at the root.
    "gpu-on-memory-node": lambda name: machine(
        name, [[72]], [Device("0009:01:00.0", None, name="NVIDIA GH200 480GB")],
        memory_nodes=[(1, 0)]),
    # A cloud's: one socket is shown, and the devices' numbers count up, not the buses'.
    "cloud": lambda name: machine(
        name, [[32]], [Device(f"0000:00:{device:02x}.0", None, name="Tesla V100-SXM2-16GB")
                       for device in (0x1b, 0x1c, 0x1d, 0x1e)] +
        [Device("0000:00:1f.0", None, "0108 [1d0f:cd00] [1d0f:cd00] 00", "NVMe")], smt=2),
    "cloud-bare": lambda name: bare(
        name, 12, [Device("0001:00:00.0", None), Device("0002:00:00.0", None)]),
    # A control group of one socket's cores, one thread of some, and one core beside.
    "odd-group": lambda name: machine(
        name, [[8], [8]],
        [Device("0000:17:00.0", 0), Device("0000:65:00.0", 0), Device("0000:ca:00.0", 1)], smt=2,
        allowed=[8, 9, 10, 11, 24, 25, 3]),
    "other-vendors": lambda name: machine(
        name, [[16] * 4],
        [Device(f"0000:{bus}:00.0", numa, AMD_GPU, "Instinct MI250X")
         for bus, numa in (("c1", 0), ("c6", 0), ("c9", 1), ("ce", 1),
                           ("d1", 2), ("d6", 2), ("d9", 3), ("de", 3))], smt=2),
    "one-core-many-gpus": lambda name: machine(
        name, [[1]], [Device(f"0000:{bus:02x}:00.0", 0) for bus in range(0x10, 0x1a)]),
    "no-gpu": lambda name: machine(name, [[4, 4], [4, 4]], [], smt=2),
}


def main():
    if len(sys.argv) != 2:
        sys.exit("topologies.py: name the folder to write to: tests/data/topologies")
    for name, make in MACHINES.items():
        path = pathlib.Path(sys.argv[1]) / f"{name}.xml"
        path.write_text(make(name), encoding="utf-8")


if __name__ == "__main__":
    main()

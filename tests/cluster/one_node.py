"""A SLURM of one node with fake GPUs, on this machine: munged, slurmctld and slurmd, for tests. Needs root.

    python tests/cluster/one_node.py up FOLDER      # installs SLURM by apt where it is missing
    python tests/cluster/one_node.py down FOLDER

A fake GPU is a device file that does nothing: the scheduler counts it, hands it out and says in CUDA_VISIBLE_DEVICES
which one a job got. What each job held, and when, is written to FOLDER/ledger by the node itself.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

CONF, GRES = Path("/etc/slurm/slurm.conf"), Path("/etc/slurm/gres.conf")  # jobs look for it nowhere else
OURS = "# Written by tests/cluster/one_node.py; a stopped node leaves none.\n"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol")
GPUS, CPUS, MEMORY_MB = 2, 4, 1_000_000  # counted, not enforced


class NotHereError(Exception):
    """This machine cannot run the node; says why."""


def require_possible() -> None:
    """Raise NotHereError where the node cannot be started; install SLURM where that is all that lacks."""
    if os.geteuid():
        raise NotHereError("starting SLURM needs root")
    if CONF.exists() and not CONF.read_text().startswith(OURS):
        raise NotHereError(f"this machine has a SLURM of its own: {CONF}")
    missing = [name for name in PROGRAMS if _program(name) is None]
    if missing and shutil.which("apt-get") is None:
        raise NotHereError(f"{', '.join(missing)} not found, and no apt-get to install slurm-wlm and munge")
    if missing:
        quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "capture_output": True, "check": False}
        subprocess.run(["apt-get", "update"], **quiet)
        install = ["apt-get", "install", "--yes", "--no-install-recommends", "slurm-wlm", "munge"]
        if (done := subprocess.run(install, **quiet)).returncode:
            raise NotHereError(f"slurm-wlm and munge cannot be installed: {done.stderr.decode().strip()[-300:]}")


def start(folder: Path) -> None:
    """Start the node, its files under ``folder``, and wait until it takes jobs.

    munged wants everyone to be able to enter ``folder`` and those above it.
    """
    require_possible()
    if CONF.exists():  # of a test that was killed
        stop(Path(re.findall(r"StateSaveLocation=(.*)/state", CONF.read_text())[0]))
    try:
        _start(folder)
    except BaseException:
        stop(folder)
        raise


def _start(folder: Path) -> None:
    for name in ("state", "spool", "log", "run", "gpu", "munge"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name).chmod(0o755)
    (folder / "munge/key").write_bytes(os.urandom(1024))
    (folder / "munge/key").chmod(0o400)
    for index in range(GPUS):
        device = folder / f"gpu/{index}"  # a second /dev/null: SLURM takes no ordinary file for a device
        if not device.exists():
            os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    for event, gpus in (("prolog", "SLURM_JOB_GPUS"), ("epilog", "SLURM_JOB_GPUS"), ("task", "CUDA_VISIBLE_DEVICES")):
        line = f'echo "{event} $SLURM_JOB_ID $(date +%s.%N) ${{{gpus}:-none}}" >> {folder}/ledger'
        (folder / event).write_text(f"#!/bin/sh\n{line}\n")
        (folder / event).chmod(0o755)
    CONF.parent.mkdir(exist_ok=True)
    CONF.write_text(_configuration(folder))
    GRES.write_text(f"{OURS}NodeName={_host()} Name=gpu Type=fake File={folder}/gpu/[0-{GPUS - 1}]\n")
    munge = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    _run("munged", *(f"--{option}={folder}/munge/{name}" for option, name in munge.items()))
    _run("slurmctld", "-c")
    _run("slurmd", "-N", _host())
    limit = time.monotonic() + 30
    while (state := _output("sinfo", "-h", "-o", "%T")) != "idle":
        if time.monotonic() > limit:
            logs = "\n".join(path.read_text()[-2000:] for path in (folder / "log").iterdir())
            raise RuntimeError(f"after 30 s the node is '{state}', not idle:\n{logs}")
        time.sleep(0.2)


def stop(folder: Path) -> None:
    """End the processes of a node under ``folder``, whatever state it is in, and take the configuration away."""
    for name in ("run/slurmd.pid", "run/slurmctld.pid", "munge/pid"):
        path = folder / name
        if path.is_file():
            _end(int(path.read_text()))
    for path in (CONF, GRES):
        if path.exists() and path.read_text().startswith(OURS):
            path.unlink()


def _configuration(folder: Path) -> str:
    host = _host()
    return f"""{OURS}ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
Prolog={folder}/prolog
Epilog={folder}/epilog
TaskProlog={folder}/task
PrologFlags=Alloc
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
MinJobAge=3600
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={CPUS} Boards=1 SocketsPerBoard=1 CoresPerSocket={CPUS} ThreadsPerCore=1 \
RealMemory={MEMORY_MB} Gres=gpu:fake:{GPUS} State=UNKNOWN
PartitionName=one Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def _host() -> str:
    return socket.gethostname().partition(".")[0]


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def _run(name: str, *words: str) -> None:
    done = subprocess.run([str(_program(name)), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} does not start: {done.stderr.strip()}")


def _output(name: str, *words: str) -> str:
    return subprocess.run([str(_program(name)), *words], capture_output=True, text=True, check=False).stdout.strip()


def _end(process: int) -> None:
    """SIGTERM, and SIGKILL for what is still there 5 seconds later."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        limit = time.monotonic() + 5
        try:
            os.kill(process, sent)
            while time.monotonic() < limit:
                os.kill(process, 0)
                time.sleep(0.1)
        except ProcessLookupError:
            return


if __name__ == "__main__":
    action, place = sys.argv[1:]
    {"up": start, "down": stop}[action](Path(place).resolve())

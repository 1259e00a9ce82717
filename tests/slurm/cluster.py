"""A Slurm cluster of two nodes on this machine, in a folder of its own, without accounting."""

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

PROGRAMS = ("munged", "munge", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")
PATH = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/sbin"))
NODES = ("node1", "node2")  # node1 has a GPU
PATIENCE = 60

# Nodes claim more than this machine has. A job over its memory is killed without cgroups; what a
# dead node ran is requeued at once. What has ended is told for an hour, however slow a run is.
CONFIGURATION = """
ClusterName=susx
SlurmctldHost=localhost
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={root}/munge/socket,cred_expire=5
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool-%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SlurmdTimeout=10
TCPTimeout=3
MessageTimeout=10
KillWait=1
MinJobAge=3600
ReturnToService=2
GresTypes=gpu
NodeName=node1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[1]} CPUs=8 RealMemory=64000 \
Gres=gpu:1
NodeName=node2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[2]} CPUs=8 RealMemory=64000
PartitionName=cpu Nodes=node1,node2 Default=YES
PartitionName=gpu Nodes=node1
"""

# The plugin takes all variables of Slurm from the environment of srun, this one included.
SRUN = '#!/bin/sh\nSLURM_CONF={conf} exec {srun} "$@"\n'


def lacking_programs() -> list[str]:
    """Programs of Slurm and MUNGE that are not installed."""
    return [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]


@dataclass(frozen=True)
class SlurmJob:
    """What squeue tells about a job."""

    id: str
    state: str
    node: str
    comment: str
    memory: str
    limit: str
    gpus: str
    array: bool


class Cluster:
    """Daemons of a cluster; start it, then hand `env` to what shall use it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.conf = root / "slurm.conf"
        self.daemons: dict[str, psutil.Popen] = {}
        self._known: set[str] = set()

    @property
    def env(self) -> dict[str, str]:
        """Environment variables of a client."""
        path = os.pathsep.join((str(self.root / "bin"), PATH))
        return {"SLURM_CONF": str(self.conf), "PATH": path}

    def start(self) -> None:
        """Start all daemons and wait until both nodes are idle."""
        self._write_files()
        munge = self.root / "munge"
        files = [f"--{name}-file={munge / name}" for name in ("key", "pid", "log", "seed")]
        address = f"--socket={munge / 'socket'}"
        self._spawn("munged", "munged", "--foreground", "--force", address, *files)
        self._wait("MUNGE", lambda: self._succeeds("munge", "--no-input", address))
        self._spawn("slurmctld", "slurmctld", "-D", "-f", str(self.conf))
        for node in NODES:
            self.start_node(node)

    def start_node(self, node: str) -> None:
        """Start a node and wait until it is idle."""
        self._spawn(node, "slurmd", "-D", "-N", node, "-f", str(self.conf))
        self._wait(node, lambda: self._state(node) == "idle")

    def kill_node(self, node: str) -> None:
        """End a node as a power failure would: its daemon and all that runs on it."""
        self.daemons.pop(node).kill()
        self._kill_jobs(node)
        self._wait(f"end of {node}", lambda: self._state(node).startswith("down"))

    def stop(self) -> None:
        """End all daemons, and what may still run on the nodes."""
        for daemon in reversed(self.daemons.values()):
            daemon.kill()
            daemon.wait()
        for node in NODES:
            self._kill_jobs(node)

    def call(self, *command: str) -> str:
        """Output of a client program."""
        done = subprocess.run(
            command, env={**os.environ, **self.env}, capture_output=True, text=True, check=True
        )
        return done.stdout

    def jobs(self) -> list[SlurmJob]:
        """New jobs, each task of an array for itself, in order of submission."""
        return [job for job in self._all_jobs() if job.id not in self._known]

    def _all_jobs(self) -> list[SlurmJob]:
        fields = "JobID,State,NodeList,Comment,MinMemory,TimeLimit,tres-per-job,ArrayTaskID"
        form = ",".join(f"{field}:|" for field in fields.split(","))
        lines = self.call("squeue", "--noheader", "--array", "--states=all", "--sort=i", "-O", form)
        rows = (line.split("|") for line in lines.splitlines())
        return [SlurmJob(*row[:7], array=row[7] != "N/A") for row in rows]

    def forget_jobs(self) -> None:
        """Leave earlier jobs out of `jobs`."""
        self._known = {job.id for job in self._all_jobs()}

    def running(self, rule: str) -> SlurmJob:
        """Wait until a job of a rule runs."""
        found: list[SlurmJob] = []

        def look() -> bool:
            found[:] = [j for j in self.jobs() if j.state == "RUNNING" and rule in j.comment]
            return bool(found)

        self._wait(f"job of {rule}", look)
        return found[0]

    def _write_files(self) -> None:
        for name in ("munge", "state", "bin", *(f"spool-{node}" for node in NODES)):
            (self.root / name).mkdir(parents=True, mode=0o700)
        (self.root / "munge/key").write_bytes(secrets.token_bytes(128))
        (self.root / "munge/key").chmod(0o600)
        (self.root / "gpu").touch()
        (self.root / "gres.conf").write_text(f"NodeName=node1 Name=gpu File={self.root}/gpu\n")
        user = psutil.Process().username()
        text = CONFIGURATION.format(root=self.root, user=user, ports=_free_ports(3))
        self.conf.write_text(text, "utf-8")
        srun = self.root / "bin/srun"
        srun.write_text(SRUN.format(conf=self.conf, srun=shutil.which("srun", path=PATH)), "utf-8")
        srun.chmod(0o755)

    def _spawn(self, name: str, *command: str) -> None:
        with (self.root / f"{name}.log").open("a") as log:
            self.daemons[name] = psutil.Popen(
                command, env={**os.environ, **self.env}, stdout=log, stderr=subprocess.STDOUT
            )

    def _succeeds(self, *command: str) -> bool:
        done = subprocess.run(
            command,
            env={**os.environ, **self.env},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return done.returncode == 0

    def _state(self, node: str) -> str:
        try:
            return self.call(
                "sinfo", "--noheader", "--partition=cpu", "-n", node, "-o", "%T"
            ).strip()
        except subprocess.CalledProcessError:
            return "unreachable"

    def freeze(self, job: SlurmJob) -> None:
        """Stop the processes of a job once its script runs; it then hangs."""
        found: list[psutil.Process] = []

        def look() -> bool:
            found[:] = self._processes("SLURM_JOB_ID", job.id)
            with suppress(psutil.NoSuchProcess):
                commands = [" ".join(process.cmdline()) for process in found]
                return any(".snakemake/scripts/" in command for command in commands)
            return False

        self._wait("script of the job", look)
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def _processes(self, variable: str, value: str) -> list[psutil.Process]:
        """Processes of this cluster in whose environment a variable has a value."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                environment = process.environ()
                ours = environment.get("SLURM_CONF") == str(self.conf)
                if ours and environment.get(variable) == value:
                    found.append(process)
        return found

    def _kill_jobs(self, node: str) -> None:
        """End what runs on a node, its managers first, so that none reports how its job ended."""
        processes = self._processes("SLURMD_NODENAME", node)
        managers = set()
        for process in processes:
            with suppress(psutil.Error):
                managers |= {p for p in process.parents() if "slurmstepd" in p.name()}
        for process in [*managers, *processes]:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def _wait(self, what: str, there: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not there():
            for name, daemon in self.daemons.items():
                log = self.root / f"{name}.log"
                assert daemon.poll() is None, f"{name} ended: {log.read_text('utf-8')}"
            assert time.monotonic() < deadline, f"waited in vain for: {what}"
            time.sleep(0.1)


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()

"""`.ci/setup` with stand-ins for Python, apt and sudo, which write down how they were called."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / ".ci" / "setup"
TOOLS = ["bash", "cat", "chmod", "cksum", "dirname", "env", "mkdir", "rm", "true"]

PYTHON = """#!/bin/bash
echo "python $*${PYTHONDONTWRITEBYTECODE:+ (no bytecode)}" >>"$CALLS"
case "$*" in
  *version_info*python%d*) echo python3.11-venv ;;
  *version_info*) exit ${OLD:-0} ;;
  *ensurepip*) exit ${NO_ENSUREPIP:-0} ;;
  "-m venv"*) mkdir -p .venv/bin; cat "$0" >.venv/bin/python; chmod +x .venv/bin/python ;;
  "-m pip install"*) exit ${NO_NETWORK:-0} ;;
esac
"""
APT = """#!/bin/bash
echo "apt-get ${*: -1}" >>"$CALLS"
for name in $*; do
  case $name in postgresql) name=initdb ;; mariadb-server) name=mariadb-install-db ;; esac
  case $name in tshark | chromium | initdb | mariadb-*) echo "#!/bin/bash" >"$BIN/$name"; chmod +x "$BIN/$name" ;; esac
done
"""
SUDO = """#!/bin/bash
echo "sudo $1" >>"$CALLS"
[ -z "$ASKS" ] || exit 1
shift
exec "$@"
"""


class Machine:
    """A checkout on a machine that has only what `bin` holds."""

    def __init__(self, place: Path):
        self.root, self.bin, self.log = place / "checkout", place / "bin", place / "calls"
        (self.root / ".ci").mkdir(parents=True)
        (self.root / "nsm_nb" / "kernels").mkdir(parents=True)
        (self.root / "nsm_nb" / "kernels" / "decode.py").write_text("one = 1\n")
        (self.root / "pyproject.toml").write_text("[project]\n")
        shutil.copy(SCRIPT, self.root / ".ci" / "setup")
        self.bin.mkdir()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.has("python3", PYTHON)
        self.has("id", "#!/bin/bash\necho 1000\n")

    def has(self, name: str, script: str) -> None:
        (self.bin / name).write_text(script)
        (self.bin / name).chmod(stat.S_IRWXU)

    def setup(self, *arguments: str, **variables: str) -> tuple[int, str, list[str]]:
        """Run the script; return its exit status, what it said, and which programs it called how."""
        self.log.write_text("")
        environment = {"PATH": str(self.bin), "BIN": str(self.bin), "CALLS": str(self.log), "HOME": str(self.root)}
        run = subprocess.run(
            ["bash", ".ci/setup", *arguments],
            cwd=self.root,
            env=environment | {"PYTHONDONTWRITEBYTECODE": "1"} | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        steps = [line for line in self.log.read_text().splitlines() if not line.startswith("python -c")]
        return run.returncode, run.stdout, [step for step in steps if "--version" not in step]


@pytest.fixture
def machine(tmp_path):
    if os.name != "posix":
        pytest.skip("set-up is a shell script")
    return Machine(tmp_path)


INSTALL = "python -m pip install --quiet --disable-pip-version-check --no-compile --editable "
COMPILE = "python -m compileall -qq -j 0 .venv/lib nsm_nb"
WARM = "python -m nsm_nb.warm"


def test_setup_installs_compiles_and_warms_whatever_bytecode_is_forbidden(machine):
    status, _, calls = machine.setup()

    assert status == 0
    assert [call.removesuffix(" (no bytecode)") for call in calls[:1]] == ["python -m venv --clear .venv"]
    assert calls[1:] == [f"{INSTALL}.", COMPILE, WARM]


def test_setup_says_in_one_line_that_tshark_is_missing_and_what_one_loses(machine):
    _, said, _ = machine.setup()

    assert said.splitlines()[-1].startswith("tshark is not installed: packets can't be dissected")
    assert (machine.root / ".venv" / "missing").read_text() == said.splitlines()[-1] + "\n"


def test_setup_does_nothing_the_second_time(machine):
    machine.setup()

    status, said, calls = machine.setup()

    assert (status, calls) == (0, [])
    assert len(said.splitlines()) == 1


def test_setup_installs_again_where_the_project_asks_for_other_packages(machine):
    machine.setup()
    (machine.root / "pyproject.toml").write_text("[project]\ndependencies = []\n")

    assert machine.setup()[2] == [f"{INSTALL}.", COMPILE]


def test_setup_warms_again_where_only_a_kernel_changed(machine):
    machine.setup()
    (machine.root / "nsm_nb" / "kernels" / "decode.py").write_text("one = 2\n")

    assert machine.setup()[2] == [WARM]


def test_setup_for_tests_serves_the_lab_too(machine):
    _, said, calls = machine.setup("test")

    assert f"{INSTALL}.[test,team]" in calls
    assert [line.split(" is not installed")[0] for line in said.splitlines()[-3:]] == [
        "No Chromium is installed: the browser tests are skipped and no PDF is made. Get it: apt install chromium.",
        "PostgreSQL",
        "MariaDB",
    ]
    assert machine.setup("lab")[2] == []


def test_setup_as_root_brings_tshark_and_chromium_with_apt(machine):
    machine.has("id", "#!/bin/bash\necho 0\n")
    machine.has("apt-get", APT)

    status, said, calls = machine.setup("test")

    assert status == 0
    brought = ["apt-get tshark", "apt-get fonts-dejavu-core", "apt-get postgresql", "apt-get mariadb-server"]
    assert calls[-5:] == [*brought, WARM]
    assert "not installed" not in said
    assert (machine.root / ".venv" / "missing").read_text() == ""


def test_setup_uses_sudo_only_where_it_asks_no_password(machine):
    machine.has("apt-get", APT)
    machine.has("sudo", SUDO)

    assert "apt-get tshark" not in machine.setup(ASKS="yes")[2]
    (machine.root / ".venv" / "ready-lab").unlink()
    assert "apt-get tshark" in machine.setup()[2]


def test_setup_that_failed_leaves_no_mark_of_success(machine):
    status, _, _ = machine.setup(NO_NETWORK="1")

    assert status != 0
    assert machine.setup()[2] == [f"{INSTALL}.", COMPILE, WARM]


def test_setup_asks_for_a_newer_python_in_a_sentence(machine):
    status, said, _ = machine.setup(OLD="1")

    assert status == 1
    assert "needs Python 3.11 or later" in said
    assert not (machine.root / ".venv").exists()


def test_setup_names_the_package_where_debian_split_venv_off(machine):
    status, said, _ = machine.setup(NO_ENSUREPIP="1")

    assert status == 1
    assert "apt install python3-venv" in said


def test_setup_refuses_a_purpose_it_does_not_know(machine):
    assert machine.setup("laboratory")[:2] == (2, "usage: .ci/setup [lab|test]\n")

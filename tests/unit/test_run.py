"""The supervisor of `make run`: what it says before it starts anything, and what it keeps."""

import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from idp.environment import PROJECT
from idp.ops import run
from idp.ops.children import Child


def supervise(tmp_path, **environ: str) -> subprocess.CompletedProcess[str]:
    variables = {"PATH": os.environ["PATH"], "IDP_VAR_DIR": str(tmp_path / "var"), **environ}
    command = [sys.executable, "-m", "idp.ops.run"]
    return subprocess.run(
        command, cwd=PROJECT, env=variables, capture_output=True, text=True, check=False, timeout=60
    )


def test_a_taken_port_is_one_line_with_the_way_out(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = supervise(tmp_path, IDP_BIND=f"127.0.0.1:{port}")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"Port {port} on 127.0.0.1 can't be used" in done.stderr
    assert "IDP_BIND=127.0.0.1:" in done.stderr
    assert not (tmp_path / "var" / "postgresql").exists()


def test_a_bad_setting_is_one_line(tmp_path):
    done = supervise(tmp_path, IDP_BIND="everywhere")
    assert done.returncode == 2
    assert done.stderr == (
        "IDP_BIND must be HOST:PORT, such as 127.0.0.1:8000 or [::1]:8000 (it is 'everywhere')\n"
    )


def test_an_unknown_setting_is_one_line(tmp_path):
    done = supervise(tmp_path, IDP_BNID="127.0.0.1:8000")
    assert done.returncode == 2
    assert done.stderr == "IDP_BNID is not a setting: did you mean IDP_BIND?\n"


def test_a_missing_configuration_file_is_one_line(tmp_path):
    missing = tmp_path / "missing.yaml"
    port = free_port()
    done = supervise(tmp_path, IDP_CONFIG=str(missing), IDP_BIND=f"127.0.0.1:{port}")
    assert done.returncode == 1
    assert done.stderr == f"IDP_CONFIG names {missing}, which is no file.\n"


def test_keys_are_kept_for_the_second_start_and_for_no_other_account(tmp_path):
    path = tmp_path / "key"
    first = run.kept(path, run.new_secret)
    assert run.kept(path, run.new_secret) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("bind", "address"),
    [
        (None, "127.0.0.1:8000"),
        ("0.0.0.0:9000", "127.0.0.1:9000"),
        ("[::]:9000", "127.0.0.1:9000"),
        ("[::1]:9000", "[::1]:9000"),
        ("id.localhost:80", "id.localhost:80"),
    ],
)
def test_the_printed_address_is_one_that_a_browser_can_reach(bind, address):
    assert run.reachable(bind) == address


def test_two_supervisors_do_not_share_a_folder(tmp_path):
    with run.ExitStack() as first, run.ExitStack() as second:
        run.lock_directory(tmp_path, first)
        with pytest.raises(run.CannotRunError, match="Another `make run` uses"):
            run.lock_directory(tmp_path, second)


def test_a_child_that_dies_is_named_and_the_others_are_stopped():
    supervisor = run.Supervisor()
    staying = supervisor.start("staying", ["sleep", "600"])
    supervisor.start("dying", ["false"])
    with pytest.raises(run.CannotRunError, match=r"dying ended unexpectedly \(exit 1\)"):
        supervisor.watch()
    supervisor.stop_children()
    assert staying.exit_code is not None


def test_grandchildren_end_with_their_child(tmp_path):
    pid_file = tmp_path / "pid"
    child = Child("parent", ["sh", "-c", f"sleep 600 & echo $! > {pid_file}; wait"], os.environ)
    while not (pid_file.exists() and pid_file.read_text()):
        time.sleep(0.01)
    child.ask_to_stop()
    assert child.wait(5)
    child.end()
    assert not alive(int(pid_file.read_text()))


def alive(pid: int) -> bool:
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
        except FileNotFoundError:
            return False
        time.sleep(0.02)
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

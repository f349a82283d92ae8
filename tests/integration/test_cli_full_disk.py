"""A home on a disk that fills up: a sentence, no traceback, and ``resume`` once there is room."""

import secrets
import subprocess

import pytest

from katib.store import open_store
from katib.store.tracking.records import Log, NewRun


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=False, capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system of a size of its own can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder):
    """Take all the room there is."""
    with (folder / "ballast").open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 10, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue


def test_disk_that_fills_up_in_a_run_ends_it_with_a_sentence_and_resume_finishes(katib, small_disk):
    katib.environment["KATIB_HOME"] = str(small_disk / "home")
    script = f"""
    if os.path.exists('full'):
        print('loss=' + sys.argv[1])
    else:
        open('full', 'w').close()
        try:
            with open({str(small_disk / "ballast")!r}, 'wb', buffering=0) as file:
                for size in (65536, 1024, 1):
                    try:
                        while True: file.write(b'x' * size)
                    except OSError: pass
        finally:
            print('loss=' + sys.argv[1])
    """
    done = katib("run", katib.write(script=script, trials=6, parallel=2, failures=6), code=None)
    assert done.returncode in {8, 10}, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    errors = [line for line in done.stderr.splitlines() if line]
    assert len(errors) == 1
    assert errors[0].startswith("error: ")
    assert errors[0].endswith("katib resume exp goes on with it")
    (small_disk / "ballast").unlink()
    katib("resume", "exp", "--max-trials", "6")
    trials = katib.get("trials", "exp")["items"]
    assert len(trials) == 6
    assert len({trial["metadata"]["name"] for trial in trials}) == 6
    assert katib.condition(katib.get("get", "exp", "exp"))["type"] == "Succeeded"


def test_disk_that_is_full_before_the_run_refuses_it(katib, small_disk):
    katib.environment["KATIB_HOME"] = str(small_disk / "home")
    fill(small_disk)
    done = katib("run", katib.write(), code=None)
    assert done.returncode in {8, 10}
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    (small_disk / "ballast").unlink()
    katib("run", katib.write())


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "arrow"])
def test_disk_that_fills_up_in_an_export_leaves_what_was_there(katib, small_disk, form):
    katib.home.mkdir()
    with open_store(katib.home / "katib.db") as store:
        tracking = store.tracking("default")
        for _ in range(70):
            texts = {f"p{name}": secrets.token_hex(4_000) for name in range(10)}
            tracking.create_run(NewRun(log=Log(parameters=texts)))
    target = small_disk / "runs"
    target.write_text("what was there")
    done = katib("export", "--filter", "", "-o", form, "--file", target, code=8)
    assert done.stderr.startswith("error: cannot write")
    assert done.stderr.count("\n") == 1
    assert target.read_text() == "what was there"
    assert [path.name for path in small_disk.iterdir()] == ["runs"]

"""Completion in real shells, with the names that exist at that moment."""

import os
import shutil
import subprocess

import pytest


@pytest.fixture
def named(katib):
    """A home with the experiments ``digits`` and ``drills``."""
    for name in ("digits", "drills"):
        katib("run", katib.write(name=name, trials=1, parallel=1), "-q")
    return katib


def in_bash(katib, *words):
    """Return what a bash with our script offers for the last word."""
    quoted = " ".join(f"'{word}'" for word in ("katib", *words))
    program = f"""
    source <(katib completion bash)
    name=$(complete -p katib | sed 's/.*-F \\([^ ]*\\).*/\\1/')
    COMP_WORDS=({quoted}) COMP_CWORD={len(words)} COMP_LINE={" ".join(("katib", *words))!r}
    COMP_POINT=${{#COMP_LINE}}
    "$name" katib
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "--noprofile", "-c", program],
        env=katib.environment,
        cwd=katib.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


def test_bash_offers_commands_options_and_live_names(named):
    assert {"describe", "delete"} == set(in_bash(named, "de"))
    assert in_bash(named, "best", "") == ["digits", "drills"]
    assert in_bash(named, "best", "di") == ["digits"]
    assert "--max-trials" in in_bash(named, "run", "--max")
    trial = named.get("trials", "digits")["items"][0]["metadata"]["name"]
    assert in_bash(named, "logs", "dig") == [trial]
    assert in_bash(named, "get", "trial", "dig") == [trial]
    assert "random" in [line.split("\t")[0].split(" ")[0] for line in in_bash(named, "algorithms", "")]
    named("delete", "drills", "--yes")
    assert in_bash(named, "describe", "d") == ["digits"]
    assert in_bash(named, "-n", "other", "best", "") in ([], [""])


def test_completion_of_an_empty_home_is_silent_and_makes_nothing(katib):
    assert in_bash(katib, "best", "") in ([], [""])
    assert not katib.home.exists()


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_offers_live_names(named):
    done = subprocess.run(
        ["fish", "--no-config", "-c", "katib completion fish | source; complete -C 'katib best '"],
        env={**named.environment, "HOME": str(named.folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert {line.split("\t")[0] for line in done.stdout.splitlines()} == {"digits", "drills"}


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_reads_the_script(katib):
    script = katib("completion", "zsh").stdout
    subprocess.run(["zsh", "-n"], input=script, text=True, check=True)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_answer_to_shells_that_may_not_be_here_holds_live_names(named, shell):
    done = subprocess.run(
        named.command(),
        env={
            **named.environment,
            "_KATIB_COMPLETE": f"complete_{shell}",
            "_TYPER_COMPLETE_ARGS": "katib best ",
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        },
        cwd=named.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "digits" in done.stdout
    assert "drills" in done.stdout
    assert done.stderr == ""
    assert f"complete_{shell}" in named("completion", shell).stdout


def test_script_calls_the_variable_that_katib_answers_to(katib):
    for shell in ("bash", "zsh", "fish"):
        assert "_KATIB_COMPLETE=" in katib("completion", shell).stdout.replace(os.linesep, "\n")

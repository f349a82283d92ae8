"""``katib store token``: what it prints is a token and an entry that knows it."""

from datetime import UTC, datetime, timedelta

import pytest

from katib.access import Role
from katib.access.token_file import TokenFile
from katib.cli.main import main
from katib.errors import Unauthenticated


def made(capsys, *arguments):
    """Return the token and the entry that a command line prints."""
    assert main(["store", "token", *arguments]) == 0
    shown = capsys.readouterr()
    return shown.out.removesuffix("\n"), shown.err


def known(tmp_path, entry):
    path = tmp_path / "tokens.yaml"
    path.write_text(f"tokens:\n{entry}")
    return TokenFile(path)


def test_the_entry_knows_the_token_and_does_not_tell_it(capsys, tmp_path):
    token, entry = made(capsys, "ci", "--grant", "team-a=write", "--grant", "*=read", "--expires", "90d")
    assert token not in entry
    who = known(tmp_path, entry).identity(token)
    assert who.name == "ci"
    assert dict(who.grants) == {"team-a": Role.WRITE, "*": Role.READ}
    expires = known(tmp_path, entry)._entries[0].expires
    assert timedelta(days=89) < expires - datetime.now(UTC) <= timedelta(days=90)


def test_each_time_it_is_another(capsys):
    tokens = {made(capsys, "ci", "--grant", "a=read")[0] for _ in range(5)}
    assert len(tokens) == 5
    assert min(map(len, tokens)) > 40


def test_entries_follow_each_other_in_one_file(capsys, tmp_path):
    first, one = made(capsys, "first", "--grant", "a=read")
    second, two = made(capsys, "no", "--grant", "123=admin")
    file = known(tmp_path, one + two)
    assert [file.identity(token).name for token in (first, second)] == ["first", "no"]
    with pytest.raises(Unauthenticated):
        file.identity("katib_another-token-altogether")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ci"], "missing option '--grant'"),
        (["ci", "--grant", "team-a"], "--grant: must be NAMESPACE=ROLE, such as team-a=write (got 'team-a')"),
        (["ci", "--grant", "a=wirte"], "--grant a: must be read, write or admin (got 'wirte'); did you mean 'write'?"),
        (["ci", "--grant", "a="], "--grant a: must be read, write or admin"),
        (["ci", "--grant", "=read"], "is no name of a namespace"),
        (["ci", "--grant", "Team=read"], "--grant Team: is no name of a namespace"),
        (["ci", "--grant", "a=read", "--grant", "a=write"], "namespace 'a' is there twice with two roles"),
        (["ci", "--grant", "a=read", "--grant", "*=write"], "rights add up"),
        (["", "--grant", "a=read"], "NAME: must be text of 1 to 253 characters"),
        (["\x1b[31m", "--grant", "a=read"], "NAME: must be text of 1 to 253 characters"),
        (["ci", "--grant", "a=read", "--expires", "2020-01-01T00:00:00Z"], "must be a time to come"),
        (["ci", "--grant", "a=read", "--expires", "soon"], "must be a time to come"),
        (["ci", "--grant", "a=read", "--expires", "-1d"], "must be a time to come"),
    ],
)
def test_a_wrong_command_line_makes_no_token(capsys, arguments, said):
    assert main(["store", "token", *arguments]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""
    assert "sha256" not in shown.err


def test_all_faults_are_told_together(capsys):
    assert main(["store", "token", "", "--grant", "Team=read", "--grant", "a=x"]) == 2
    assert capsys.readouterr().err.count("error: ") == 3

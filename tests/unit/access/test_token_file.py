"""The tokens of a file: which are known, what is wrong with a file, and that nothing of it is ever shown."""

import hashlib
import logging
import os
import threading
from datetime import UTC, datetime, timedelta

import pytest

from katib.access.identity import Role
from katib.access.token_entries import token_entries
from katib.access.token_file import TokenFile
from katib.errors import InvalidInput, Unauthenticated

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
CLEAR = "katib_clear-text-token-of-ci"
HASHED = "katib_another-token-of-a-person"
LATER = "katib_a-token-that-came-later"
DIGEST = hashlib.sha256(HASHED.encode()).hexdigest()

TEXT = f"""
tokens:
- name: ci
  token: {CLEAR}
  namespaces: {{team-a: write, "*": read}}
- name: person
  sha256: {DIGEST}
  namespaces: {{team-b: admin}}
  expires: 2026-05-01T14:00:00+01:00
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "tokens.yaml"
    path.write_text(TEXT)
    path.chmod(0o600)
    return path


def replaced(path, text):
    """Put a new file in the place of the old, as ``mv`` and Kubernetes do."""
    new = path.with_name("new")
    new.write_text(text)
    new.chmod(0o600)
    new.rename(path)


def with_later(text=TEXT):
    return f"{text}- name: later\n  token: {LATER}\n  namespaces: {{team-c: read}}\n"


def test_tokens_are_known_in_clear_text_and_by_digest(path):
    file = TokenFile(path, now=lambda: NOW)
    ci, person = file.identity(CLEAR), file.identity(HASHED)
    assert (ci.name, dict(ci.grants)) == ("ci", {"team-a": Role.WRITE, "*": Role.READ})
    assert (person.name, dict(person.grants)) == ("person", {"team-b": Role.ADMIN})
    assert not file.asks_others


@pytest.mark.parametrize(
    "token", ["", "katib_unknown", CLEAR[:-1], CLEAR + "x", CLEAR.upper(), DIGEST, "\udcff", "é" * 9]
)
def test_others_are_not(path, token):
    with pytest.raises(Unauthenticated, match="the token is not known here"):
        TokenFile(path, now=lambda: NOW).identity(token)


def test_no_token(path):
    with pytest.raises(Unauthenticated, match="Authorization: Bearer TOKEN"):
        TokenFile(path, now=lambda: NOW).identity(None)


def test_a_token_is_good_until_it_expires(path):
    times = [datetime(2026, 5, 1, 12, 59, 59, tzinfo=UTC), datetime(2026, 5, 1, 13, tzinfo=UTC)]
    file = TokenFile(path, now=lambda: times.pop(0))
    assert file.identity(HASHED).name == "person"
    with pytest.raises(Unauthenticated, match="the token 'person' expired at 2026-05-01T13:00:00Z"):
        file.identity(HASHED)


def test_a_name_may_have_an_old_and_a_new_token(path):
    path.write_text(
        f"tokens: [{{name: ci, token: {CLEAR}, namespaces: {{a: read}}}}, {{name: ci, token: {LATER}, namespaces: {{a: read}}}}]"
    )
    file = TokenFile(path)
    assert file.identity(CLEAR) == file.identity(LATER)


class TestFaults:
    def test_all_are_told_at_once_with_their_places(self):
        text = f"""
version: 1
tokens:
- name: ci
  sha256: 12ab
  namespaces: {{team-a: wirte}}
- just-text
- name: ""
  token: {CLEAR}
  namespaces: {{}}
- name: third
  tokn: {LATER}
  namespaces:
    team-a: read
    Team_B: read
    "*": write
  expires: 2027-01-01
- name: same
  token: {CLEAR}
  sha256: {DIGEST}
  namespaces: [a]
"""
        with pytest.raises(InvalidInput) as refused:
            token_entries(text.encode())
        told = {problem.path: problem for problem in refused.value.problems}
        assert set(told) == {
            "version",
            "tokens[0].sha256",
            "tokens[0].namespaces.team-a",
            "tokens[1]",
            "tokens[2].name",
            "tokens[2].namespaces",
            "tokens[3]",
            "tokens[3].tokn",
            "tokens[3].namespaces.Team_B",
            "tokens[3].namespaces.team-a",
            "tokens[3].expires",
            "tokens[4]",
            "tokens[4].namespaces",
        }
        assert str(told["tokens[0].namespaces.team-a"]) == (
            "tokens[0].namespaces.team-a (line 6): must be read, write or admin (got 'wirte'); did you mean 'write'?"
        )
        assert told["tokens[3].tokn"].hint == "did you mean 'token'?"
        assert "rights add up" in told["tokens[3].namespaces.team-a"].message

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "the file is empty"),
            ("- a", "a document must be a mapping of fields, not a list"),
            ("token: x", "tokens.*: must be a list"),
            ("tokens:", "tokens.*: must be a list"),
            ("tokens: {}", "tokens.*: must be a list"),
            ("tokens: []\n---\ntokens: []", "must be one document, not 2"),
            ("tokens: [", "not valid YAML"),
            ("tokens: [{name: a, namespaces: {a: read}}]", "must have sha256 .* made by: katib store token"),
            ("tokens: [{name: a, token: short, namespaces: {a: read}}]", "at least 16"),
            ("tokens: [{name: a, token: 12345678901234567890, namespaces: {a: read}}]", "in quotes"),
            ("tokens: [{name: a, token: with spaces within it, namespaces: {a: read}}]", "letters, digits"),
            (f"tokens: [{{name: a, sha256: {'1' * 64}, namespaces: {{a: read}}}}]", "in quotes"),
            (f"tokens: [{{name: 7, token: {CLEAR}, namespaces: {{a: read}}}}]", "must be text"),
            (f"tokens: [{{name: a, token: {CLEAR}, namespaces: {{a: 2}}}}]", "must be read, write or admin"),
            (
                f"tokens: [{{name: a, token: {CLEAR}, namespaces: {{a: read}}, expires: 2027-13-01T00:00:00Z}}]",
                "time with",
            ),
            (
                f"tokens: [{{name: a, token: {CLEAR}, namespaces: {{a: read}}, expires: 2027-01-01T00:00:00}}]",
                "time with",
            ),
            (f"tokens: [{{name: a, token: {CLEAR}, namespaces: {{a: read}}, expires: null}}]", "time with"),
            (
                f"tokens: [{{name: a, token: {CLEAR}, namespaces: {{a: read}}}}, {{name: b, token: {CLEAR}, namespaces: {{a: read}}}}]",
                r"tokens\[1\].*: is the same token as tokens\[0\]",
            ),
            (
                "a: &a [x,x,x,x,x,x,x,x,x]\n"
                + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8)),
                "more than 50000 values",
            ),
            ("tokens: !!python/object/apply:os.system [true]", "is not allowed here"),
            ("x" * (1 << 20) + "y", "1048576"),
        ],
    )
    def test_each_is_a_sentence(self, path, text, said):
        path.write_text(text)
        with pytest.raises(InvalidInput, match=said) as refused:
            TokenFile(path)
        assert all(problem.path.startswith("tokens.yaml") for problem in refused.value.problems)
        assert CLEAR not in str(refused.value)

    def test_a_secret_in_the_wrong_place_is_not_shown(self):
        text = f"""
{LATER}: 1
tokens:
- name: [{LATER}]
  sha256: {LATER}
  namespaces: {{team-a: {LATER}, {LATER}: read}}
  expires: {LATER}
  {LATER}: 1
- name: clear
  token: "{LATER} {LATER}"
  namespaces: {LATER}
- {LATER}
"""
        with pytest.raises(InvalidInput) as refused:
            token_entries(text.encode())
        assert len(refused.value.problems) == 10
        assert [problem.line for problem in refused.value.problems] == [2, 8, 4, 5, 6, 6, 7, 10, 11, 12]
        assert LATER not in str(refused.value)

    @pytest.mark.parametrize("kind", ["folder", "pipe", "absent", "device"])
    def test_what_is_no_file_is_refused_and_not_waited_for(self, tmp_path, kind):
        path = tmp_path / "tokens.yaml"
        if kind == "folder":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "device":
            path.symlink_to("/dev/zero")
        with pytest.raises(InvalidInput, match=r"^tokens.yaml: (is no file|cannot be read: .*) \(got '/"):
            TokenFile(path)


class TestChanges:
    def test_a_new_file_counts_from_the_next_call_on(self, path):
        file = TokenFile(path, now=lambda: NOW)
        replaced(path, with_later())
        assert file.identity(LATER).name == "later"
        replaced(path, "tokens: []")
        for token in (CLEAR, HASHED, LATER):
            with pytest.raises(Unauthenticated):
                file.identity(token)

    def test_a_file_that_is_written_over_counts_too_however_soon(self, path):
        file = TokenFile(path, now=lambda: NOW)
        for number in range(200):  # of the same length, and faster than some file systems tell times apart
            token = f"katib_token-number-{number:03}"
            path.write_text(f"tokens: [{{name: ci, token: {token}, namespaces: {{a: read}}}}]")
            assert file.identity(token).name == "ci"

    def test_a_file_of_old_times_counts_when_it_is_put_there(self, path, monkeypatch):
        monkeypatch.setattr("katib.access.token_file._SETTLED", -1)  # as if the file had been there for long
        file = TokenFile(path, now=lambda: NOW)
        assert file.identity(CLEAR)
        replaced(path, with_later())
        old = (NOW - timedelta(days=300)).timestamp()
        os.utime(path, (old, old))
        assert file.identity(LATER).name == "later"

    def test_a_mounted_secret_is_exchanged_by_its_folder(self, tmp_path):
        for name, text in (("..old", TEXT), ("..new", with_later())):
            (tmp_path / name).mkdir()
            (tmp_path / name / "tokens.yaml").write_text(text)
        (tmp_path / "..data").symlink_to("..old")
        (tmp_path / "tokens.yaml").symlink_to("..data/tokens.yaml")
        file = TokenFile(tmp_path / "tokens.yaml", now=lambda: NOW)
        assert file.identity(CLEAR)
        (tmp_path / "..link").symlink_to("..new")
        (tmp_path / "..link").rename(tmp_path / "..data")
        assert file.identity(LATER).name == "later"

    @pytest.mark.parametrize("text", ["", "tokens: [", "tokens:\n- name: x", None])
    def test_a_broken_one_changes_nothing_and_is_told_once(self, path, caplog, text):
        file = TokenFile(path, now=lambda: NOW)
        path.unlink() if text is None else path.write_text(text)
        for _ in range(5):
            assert file.identity(CLEAR).name == "ci"
        (record,) = caplog.records
        assert record.levelno == logging.ERROR
        assert record.getMessage().startswith(f"{path}: ")
        assert record.getMessage().endswith("; the tokens that were known stay in use")
        replaced(path, with_later())
        assert file.identity(LATER).name == "later"

    def test_faults_in_the_log_have_their_places(self, path, caplog):
        file = TokenFile(path, now=lambda: NOW)
        path.write_text(TEXT.replace("team-a: write", "team-a: wirte"))
        assert file.identity(CLEAR).may("team-a", Role.WRITE)
        assert "tokens[0].namespaces.team-a (line 5): must be read, write or admin" in caplog.text

    def test_the_good_old_file_comes_back_in_silence(self, path, caplog):
        file = TokenFile(path, now=lambda: NOW)
        path.rename(path.with_name("away"))
        assert file.identity(CLEAR)
        path.with_name("away").rename(path)
        assert file.identity(CLEAR)
        assert file.identity(HASHED)
        assert len(caplog.records) == 1

    def test_many_threads_see_the_old_or_the_new_never_less(self, path):
        file = TokenFile(path, now=lambda: NOW)
        failures = []

        def ask():
            try:
                for _ in range(300):
                    assert file.identity(CLEAR).name == "ci"
            except BaseException as error:  # noqa: BLE001 - told to the test
                failures.append(error)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(50):
            replaced(path, with_later() if number % 2 else TEXT)
        for thread in threads:
            thread.join()
        assert failures == []


class TestWarnings:
    @pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, True), (0o604, True), (0o400, False)])
    def test_clear_text_that_others_can_read(self, path, caplog, mode, warned):
        path.chmod(mode)
        TokenFile(path)
        assert ("has tokens in clear text and can be read by others: chmod 600" in caplog.text) is warned

    def test_digests_may_be_read(self, path, caplog):
        path.write_text(f"tokens: [{{name: a, sha256: {DIGEST}, namespaces: {{a: read}}}}]")
        path.chmod(0o644)
        TokenFile(path)
        assert caplog.records == []

    def test_a_file_that_others_can_write(self, path, caplog):
        path.write_text("tokens: []")
        path.chmod(0o620)
        TokenFile(path)
        assert "can be written by others, who can let anybody in" in caplog.text


def test_nothing_of_a_token_is_in_a_log_a_message_or_a_repr(path, caplog):
    caplog.set_level(logging.DEBUG)
    path.chmod(0o644)
    file = TokenFile(path, now=lambda: NOW)
    said = [repr(file), repr(file._entries), repr(file.identity(CLEAR))]
    for token in ("katib_unknown-token-of-somebody", HASHED):
        try:
            said.append(repr(file.identity(token)))
        except Unauthenticated as error:
            said.append(str(error))
    replaced(path, with_later("tokens:\n- name: broken\n  sha256: x\n"))
    file.identity(CLEAR)
    replaced(path, with_later())
    file.identity(LATER)
    for text in [*said, caplog.text]:
        for secret in (CLEAR, HASHED, LATER, DIGEST, "katib_unknown"):
            assert secret not in text

"""Report tokens: what they open, what they do not, and how keys are changed."""

import base64
import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from katib.access import AccessOptions, Role, authenticator_for
from katib.access.bearer import is_token
from katib.access.report_token import ReportKeys, ReportTokens, sign_report
from katib.errors import Denied, InvalidInput, Unauthenticated

OLD, NEW = b"o" * 64, b"n" * 64
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def signed(key=NEW, namespace="team-a", trial="search-1", expires=NOON + HOUR):
    return sign_report(key, namespace=namespace, trial=trial, expires=expires)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "keys"
    path.write_bytes(NEW + b"\n# the last one\n\n" + OLD + b"\n")
    return path


@pytest.fixture
def tokens(file):
    return ReportTokens(ReportKeys(file), now=lambda: NOON)


class TestRights:
    def test_it_is_for_reports_of_one_trial(self, tokens):
        identity = tokens.identity(signed())
        assert (identity.name, identity.only_trial, identity.default_namespace) == (
            "trial team-a/search-1",
            "search-1",
            "team-a",
        )
        identity.require_report("team-a", "search-1")
        for namespace, trial in [("team-a", "search-2"), ("team-b", "search-1"), ("*", "search-1"), ("", "")]:
            with pytest.raises(Denied, match="'trial team-a/search-1' may not report of trial"):
                identity.require_report(namespace, trial)

    @pytest.mark.parametrize("role", list(Role))
    @pytest.mark.parametrize("namespace", ["team-a", "team-b", "*"])
    def test_it_opens_nothing_else(self, tokens, role, namespace):
        identity = tokens.identity(signed())
        assert not identity.may(namespace, role)
        assert identity.namespaces() == frozenset()

    def test_it_can_be_sent_in_every_way(self):
        assert is_token(signed(trial="n" * 253, namespace="n" * 63))


class TestKnown:
    @pytest.mark.parametrize("key", [OLD, NEW])
    def test_with_every_key_of_the_file(self, tokens, key):
        assert tokens.identity(signed(key)).trial == "search-1"

    @pytest.mark.parametrize(
        ("token", "said"),
        [
            (None, "a token is needed"),
            ("something-else", "is not known here"),
            ("katib-report.", "is damaged"),
            ("katib-report.a.b.c", "is damaged"),
            ("katib-report.!.!", "is damaged"),
            (signed(b"x" * 64), "not signed with a key that is known here"),
            (signed()[:-1], "not signed"),
            (signed(expires=NOON), "has expired"),
            (signed(expires=NOON - HOUR), "of trial 'search-1' has expired"),
            (signed(namespace="Not A Namespace"), "is damaged"),
            (signed(trial=""), "is damaged"),
        ],
    )
    def test_what_is_not(self, tokens, token, said):
        with pytest.raises(Unauthenticated, match=said) as caught:
            tokens.identity(token)
        assert token is None or token[20:] not in str(caught.value) or not token[20:]

    def test_what_it_says_cannot_be_changed(self, tokens):
        prefix, said, signature = signed().split(".")
        changed = json.loads(base64.urlsafe_b64decode(said + "=="))
        changed[1] = "search-2"
        forged = base64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b"=").decode()
        with pytest.raises(Unauthenticated):
            tokens.identity(f"{prefix}.{forged}.{signature}")

    @given(st.text(alphabet="abc.-_/+=0", max_size=60))
    def test_anything_can_be_asked_about(self, text):
        tokens = ReportTokens.__new__(ReportTokens)
        tokens._keys = type("Keys", (), {"all": (OLD,)})()
        with pytest.raises(Unauthenticated):
            tokens.identity(f"katib-report.{text}")


class TestKeys:
    def test_the_first_signs_and_a_new_one_counts_without_a_restart(self, file):
        now = [0.0]
        keys = ReportKeys(file, clock=lambda: now[0])
        assert (keys.newest, list(keys.all)) == (NEW, [NEW, OLD])
        file.write_bytes(b"k" * 40 + b"\n" + NEW)
        assert keys.newest == NEW
        now[0] += 1
        assert list(keys.all) == [b"k" * 40, NEW]

    @pytest.mark.parametrize("text", [None, b"", b"short\n", b"# only this\n"])
    def test_a_file_that_broke_leaves_the_keys_and_is_told_of_once(self, file, text, caplog):
        now = [0.0]
        keys = ReportKeys(file, clock=lambda: now[0])
        if text is None:
            file.unlink()
        else:
            file.write_bytes(text)
        with caplog.at_level(logging.ERROR):
            for _ in range(3):
                now[0] += 1
                assert keys.newest == NEW
        assert len(caplog.records) == 1
        assert "short" not in caplog.text

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (b"", "has no key"),
            (b"a" * 64 + b"\nshort\n", "key 2 has 5 characters; a key has at least 32"),
            (None, "cannot be read"),
        ],
    )
    def test_at_the_start_faults_are_told(self, tmp_path, text, said):
        path = tmp_path / "keys"
        if text is not None:
            path.write_bytes(text)
        with pytest.raises(InvalidInput, match=said):
            ReportKeys(path)


class TestServer:
    def test_reports_and_other_tokens_side_by_side(self, file, tmp_path):
        listed = tmp_path / "tokens.yaml"
        listed.write_text("tokens: [{name: ci, token: 0123456789abcdef0123, namespaces: {team-a: write}}]\n")
        listed.chmod(0o600)
        known = authenticator_for(AccessOptions(loopback=False, report_key_file=file, token_file=listed))
        assert known.identity("0123456789abcdef0123").may_report("team-a", "anything")
        assert known.identity(signed(expires=datetime.now(UTC) + HOUR)).only_trial == "search-1"
        with pytest.raises(Unauthenticated):
            known.identity("another")

    def test_a_key_file_closes_a_server_of_this_machine_too(self, file):
        known = authenticator_for(AccessOptions(loopback=True, report_key_file=file))
        with pytest.raises(Unauthenticated):
            known.identity(None)

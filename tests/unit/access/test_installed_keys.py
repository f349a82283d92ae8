"""Keys of an installation: what is missing is made, what is there stays, and the parts know each other by it."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from katib.access.identity import Role
from katib.access.installed_keys import (
    API_TOKEN,
    OPERATOR_TOKEN,
    REPORT_KEYS,
    STORE_TOKENS,
    missing_database,
    missing_keys,
)
from katib.access.report_token import ReportKeys, ReportTokens, sign_report
from katib.access.token_file import TokenFile
from katib.errors import InvalidInput, Unauthenticated

URL = "postgresql+psycopg://katib:PASSWORD@host/katib"


def decoded(data):
    return {name: base64.b64decode(value).decode() for name, value in data.items()}


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def mounted(data, folder):
    """Write a Secret's data as a pod sees it."""
    for name, text in decoded(data).items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    return folder


def test_store_knows_the_operator_by_what_is_made(tmp_path):
    folder = mounted(missing_keys({}), tmp_path)
    identity = TokenFile(folder / STORE_TOKENS).identity((folder / OPERATOR_TOKEN).read_text())
    assert identity.name == "katib-operator"
    assert identity.may("any-namespace", Role.WRITE)
    assert not identity.may("any-namespace", Role.ADMIN)
    assert (folder / OPERATOR_TOKEN).read_text() not in (folder / STORE_TOKENS).read_text()


def test_the_api_has_a_token_of_its_own_that_may_purge(tmp_path):
    folder = mounted(missing_keys({}), tmp_path)
    token = (folder / API_TOKEN).read_text()
    identity = TokenFile(folder / STORE_TOKENS).identity(token)
    assert (identity.name, identity.may("any-namespace", Role.ADMIN)) == ("katib-api", True)
    assert token not in (folder / STORE_TOKENS).read_text()
    assert token != (folder / OPERATOR_TOKEN).read_text()


def test_an_installation_of_before_gets_what_it_lacks_and_keeps_its_own(tmp_path):
    whole = decoded(missing_keys({}))
    entries = yaml.safe_load(whole[STORE_TOKENS])["tokens"]
    before = {name: encoded(whole[name]) for name in (REPORT_KEYS, OPERATOR_TOKEN)}
    before[STORE_TOKENS] = encoded(
        yaml.safe_dump({"tokens": [each for each in entries if each["name"] != "katib-api"]})
    )
    made = missing_keys(before)
    assert set(made) == {API_TOKEN, STORE_TOKENS}
    file = TokenFile(mounted({**before, **made}, tmp_path) / STORE_TOKENS)
    assert file.identity(whole[OPERATOR_TOKEN]).name == "katib-operator"
    assert file.identity(decoded(made)[API_TOKEN]).name == "katib-api"


def test_a_trial_may_report_with_a_token_of_the_key_that_is_made(tmp_path):
    keys = ReportKeys(mounted(missing_keys({}), tmp_path) / REPORT_KEYS)
    token = sign_report(keys.newest, namespace="team", trial="one", expires=datetime.now(UTC) + timedelta(hours=1))
    assert ReportTokens(keys).identity(token).may_report("team", "one")


def test_two_installations_share_nothing():
    first, second = missing_keys({}), missing_keys({})
    assert not set(first.values()) & set(second.values())


def test_whole_data_lack_nothing():
    assert missing_keys(missing_keys({})) == {}
    assert missing_database(missing_database({}, URL), URL) == {}


@pytest.mark.parametrize("lost", [REPORT_KEYS, OPERATOR_TOKEN, API_TOKEN, STORE_TOKENS])
def test_what_is_lost_is_made_anew_and_the_rest_stays(lost, tmp_path):
    whole = missing_keys({})
    left = {name: value for name, value in whole.items() if name != lost}
    made = missing_keys(left)
    expected = {lost, STORE_TOKENS} if lost in (OPERATOR_TOKEN, API_TOKEN) else {lost}
    assert set(made) == expected
    folder = mounted({**left, **made}, tmp_path)
    TokenFile(folder / STORE_TOKENS).identity((folder / OPERATOR_TOKEN).read_text())


def test_entries_of_others_stay_in_the_token_file(tmp_path):
    others = "tokens:\n- name: ci\n  token: katib_somebody-elses-token\n  namespaces: {team: read}\n"
    folder = mounted(missing_keys({STORE_TOKENS: encoded(others)}), tmp_path)
    file = TokenFile(folder / STORE_TOKENS)
    assert file.identity("katib_somebody-elses-token").name == "ci"
    assert file.identity((folder / OPERATOR_TOKEN).read_text()).name == "katib-operator"
    assert len(yaml.safe_load((folder / STORE_TOKENS).read_text())["tokens"]) == 3


def test_an_unknown_token_is_unknown(tmp_path):
    with pytest.raises(Unauthenticated):
        TokenFile(mounted(missing_keys({}), tmp_path) / STORE_TOKENS).identity("katib_something-else-entirely")


@pytest.mark.parametrize("name", [OPERATOR_TOKEN, API_TOKEN, STORE_TOKENS])
def test_what_cannot_be_read_is_named_and_not_replaced(name):
    with pytest.raises(InvalidInput, match=name):
        missing_keys({name: "!"})
    with pytest.raises(InvalidInput):
        missing_keys({STORE_TOKENS: encoded("tokens: 5\n")})


def test_database_has_its_password_in_its_url():
    made = decoded(missing_database({}, URL))
    assert made["url"] == URL.replace("PASSWORD", made["password"])
    assert len(made["password"]) >= 32
    again = decoded(missing_database({"password": encoded("known")}, URL))
    assert again == {"url": URL.replace("PASSWORD", "known")}
    with pytest.raises(InvalidInput, match="database-url"):
        missing_database({}, "postgresql://host")

"""Providers in the database: who edits what, which secured values survive it, and that none ever comes out."""

import base64
import json
import os
import sqlite3

import pytest

from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.config.providers import ProviderError
from zeebe_connectors.runtime.ledger import SqliteStore
from zeebe_connectors.runtime.providers import (
    Directory,
    Editor,
    NotAllowedError,
    ProviderConflictError,
    ProviderStore,
    ProviderUnknownError,
    Sealer,
)
from zeebe_connectors.runtime.providers.exporting import exported
from zeebe_connectors.runtime.providers.showing import shown_entry
from zeebe_connectors.sdk.errors import PermanentError

CANARY = "canary-4711"
ME = Editor("ann")
KEY = os.urandom(32)
ERP = {
    "protocol": "https",
    "tags": ["orders"],
    "environments": {
        name: {
            "url": f"https://{name}.example.com/api/",
            "authentication": {"type": "basic", "username": "u", "password": {"value": f"{CANARY}-{name}"}},
        }
        for name in ("test", "live")
    },
}


def edited(document, path, value):
    copy = json.loads(json.dumps(document))
    *above, last = path.split(".")
    place = copy
    for name in above:
        place = place.setdefault(name, {})
    place[last] = value
    return copy


def without_values(document):
    """As a form sends it back: secured fields absent."""
    copy = json.loads(json.dumps(document))
    for environment in copy["environments"].values():
        environment["authentication"].pop("password", None)
    return copy


@pytest.fixture
async def database(tmp_path):
    store = SqliteStore(tmp_path / "ledger.sqlite")
    yield store
    await store.aclose()


@pytest.fixture
def store(database):
    return ProviderStore(database, Sealer([KEY]))


async def password(store, environment="live"):
    provider = (await store.providers())["erp"]
    found = provider.environments[environment].authentication.get("password")
    return found if found is None or isinstance(found, str) else found.reveal()


async def test_a_secured_value_goes_in_and_never_comes_out(store, database):
    """Neither from the store's answers, nor from the file."""
    entry = await store.create("erp", ERP, ME)
    assert await password(store) == f"{CANARY}-live"
    shown = [entry, await store.entries(), await store.find("erp"), await store.history("erp"), await store.providers()]
    assert CANARY not in repr(shown)
    assert CANARY not in json.dumps(entry.document)
    assert entry.secured["live", "authentication.password"].changed > 0
    await database.aclose()
    for file in database.file.parent.iterdir():
        assert CANARY.encode() not in file.read_bytes()


async def test_absent_keeps_value_sets_null_removes(store):
    entry = await store.create("erp", ERP, ME)
    entry = await store.change("erp", without_values(ERP), ME, version=entry.version)
    assert await password(store) == f"{CANARY}-live"
    shown = edited(without_values(ERP), "environments.live.authentication.password", {"secured": True, "set": True})
    entry = await store.change("erp", shown, ME, version=entry.version)
    assert await password(store) == f"{CANARY}-live"
    new = edited(without_values(ERP), "environments.live.authentication.password", {"value": "other"})
    entry = await store.change("erp", new, ME, version=entry.version)
    assert await password(store) == "other"
    assert await password(store, "test") == f"{CANARY}-test"
    gone = edited(without_values(ERP), "environments.live.authentication.password", None)
    await store.change("erp", gone, ME, version=entry.version)
    assert await password(store) is None
    what = [change.what for change in await store.history("erp")]
    assert "removed live.authentication.password" in what[0]
    assert "set live.authentication.password" in what[1]
    assert CANARY not in repr(what)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("environments.live.url", "https://evil.example.org/api/"),
        ("environments.live.url", "https://live.example.com:8443/api/"),
        ("environments.live.url", "https://${x}.example.com/api/"),
        ("environments.live.proxy", {"url": "http://evil.example.org:3128"}),
        ("environments.live.tls", {"trustedCertificate": "-----BEGIN CERTIFICATE-----"}),
        ("environments.live.authentication.type", "bearer"),
        ("environments.live.authentication.oauthTokenEndpoint", "https://evil.example.org/token"),
        ("dynamicHosts", ["*.example.org"]),
    ],
)
async def test_whoever_may_edit_a_host_does_not_get_the_password(store, path, value):
    """Values go where they were meant for, or nowhere; those of the other environment stay."""
    entry = await store.create("erp", ERP, ME)
    entry = await store.change("erp", edited(without_values(ERP), path, value), Editor("bob", secrets=False),
                               version=entry.version)  # fmt: skip
    assert ("live", "authentication.password") in entry.dropped
    assert await password(store) is None
    if path.startswith("environments"):
        assert await password(store, "test") == f"{CANARY}-test"
    back = await store.change("erp", without_values(ERP), ME, version=entry.version)
    assert await password(store) is None
    assert back.dropped == ()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("description", "x"),
        ("environments.live.url", "https://live.example.com/other/"),
        ("environments.live.authentication.username", "other"),
        ("rules", {"maxPerSecond": 3}),
        ("environments.acceptance", {"url": "https://acceptance.example.com/"}),
    ],
)
async def test_other_changes_keep_them(store, path, value):
    entry = await store.create("erp", ERP, ME)
    await store.change("erp", edited(without_values(ERP), path, value), Editor("bob", secrets=False),
                       version=entry.version)  # fmt: skip
    assert await password(store) == f"{CANARY}-live"


async def test_weaker_protection_drops_them_too(store):
    mail = {
        "protocol": "smtp",
        "environments": {"live": {"host": "smtp.example.com", "authentication": {"type": "basic", "password": CANARY}}},
    }
    entry = await store.create("mail", mail, ME)
    weaker = edited(without_values(mail), "environments.live.security", "none")
    assert (await store.change("mail", weaker, ME, version=entry.version)).dropped


async def test_an_editor_without_the_right_sets_no_secured_value(store):
    """Nor names a secret, which could be sent to a host of his own."""
    bob = Editor("bob", secrets=False)
    with pytest.raises(NotAllowedError):
        await store.create("erp", ERP, bob)
    entry = await store.create("erp", without_values(ERP), bob)
    named = edited(without_values(ERP), "environments.live.authentication.password", "{{secrets.OTHER}}")
    with pytest.raises(NotAllowedError):
        await store.change("erp", named, bob, version=entry.version)
    with pytest.raises(NotAllowedError):
        await store.copy("erp", bob, from_="test", to="live", version=entry.version, secured=True)


async def test_a_value_cannot_be_moved_in_the_database(store, database):
    """Its seal names provider, environment, field and address."""
    await store.create("erp", ERP, ME)
    for change in (
        (
            "UPDATE provider_values SET environment = 'x' WHERE environment = 'test'; "
            "UPDATE provider_values SET environment = 'test' WHERE environment = 'live'"
        ),
        "UPDATE providers SET document = replace(document, 'https://test.', 'https://evil.')",
    ):
        other = sqlite3.connect(database.file)
        other.executescript(change)
        other.close()
        assert "erp" not in await store.providers()
        assert "tampered" in store.problems["erp"]
        directory = Directory(store=store)
        await directory.refresh()
        with pytest.raises(PermanentError) as caught:
            directory.get("erp")
        assert caught.value.code == "PROVIDER_UNUSABLE"


async def test_without_a_key_only_names_of_secrets_are_taken(database):
    store = ProviderStore(database, Sealer())
    with pytest.raises(ProviderError, match="ZEEBE_CONNECTORS_PROVIDERS_KEY"):
        await store.create("erp", ERP, ME)
    named = edited(ERP, "environments.live.authentication.password", "{{secrets.ERP}}")
    named = edited(named, "environments.test.authentication.password", {"value": "secrets.ERP_TEST"})
    entry = await store.create("erp", named, ME)
    assert await password(store) == "{{secrets.ERP}}"
    assert entry.secured["test", "authentication.password"].reference == "secrets.ERP_TEST"


async def test_a_text_around_the_name_of_a_secret_is_encrypted_too(store, database):
    """What stands beside the name is part of the password."""
    around = edited(ERP, "environments.live.authentication.password", f"{CANARY}-{{{{secrets.ERP}}}}")
    around = edited(around, "environments.test.authentication.password", "{{secrets.ERP_TEST}}")
    entry = await store.create("erp", around, ME)
    assert entry.secured["live", "authentication.password"].reference == ""
    assert await password(store) == f"{CANARY}-{{{{secrets.ERP}}}}"
    assert await store.rotate(ME) == 0
    with pytest.raises(ProviderError, match="no key is set"):
        await ProviderStore(database, Sealer()).create("crm", around, ME)
    assert CANARY not in json.dumps(shown_entry(entry))
    await database.aclose()
    for file in database.file.parent.iterdir():
        assert CANARY.encode() not in file.read_bytes()


@pytest.mark.parametrize(
    ("path", "value"),
    [("hostKey", "firstUse"), ("knownHosts", "files ssh-ed25519 AAAB"), ("legacyAlgorithms", True)],
)
async def test_another_way_to_know_a_server_drops_the_values(store, path, value):
    document = {
        "protocol": "sftp",
        "environments": {
            "live": {
                "host": "files.example.com",
                "authentication": {"username": "u", "password": {"value": CANARY}},
                "options": {"knownHosts": "files ssh-ed25519 AAAA", "base": "/in"},
            }
        },
    }
    entry = await store.create("erp", document, ME)
    moved = without_values(edited(document, "environments.live.options.base", "/out"))
    entry = await store.change("erp", moved, ME, version=entry.version)
    assert entry.dropped == ()
    weaker = edited(moved, f"environments.live.options.{path}", value)
    entry = await store.change("erp", weaker, ME, version=entry.version)
    assert entry.dropped == (("live", "authentication.password"),)


async def test_keys_are_rotated(database):
    old, new = os.urandom(32), os.urandom(32)
    await ProviderStore(database, Sealer([old])).create("erp", ERP, ME)
    both = ProviderStore(database, Sealer([new, old]))
    assert await password(both) == f"{CANARY}-live"
    assert await both.rotate(ME) == 2
    assert await both.rotate(ME) == 0
    assert await password(ProviderStore(database, Sealer([new]))) == f"{CANARY}-live"
    with pytest.raises(PermanentError) as caught:
        await ProviderStore(database, Sealer([old])).rotate(ME)
    assert caught.value.code == "PROVIDER_KEY_MISSING"


def test_a_key_that_is_none_is_reported():
    for text in ("short", base64.b64encode(b"x" * 31).decode(), "not base64!"):
        with pytest.raises(SettingsError, match="32 random bytes") as caught:
            Sealer.of(Environment(("environment", {"ZEEBE_CONNECTORS_PROVIDERS_KEY": text})))
        assert text not in str(caught.value)
    good = ",".join(base64.b64encode(os.urandom(32)).decode() for _ in range(2))
    sealer = Sealer.of(Environment(("environment", {"ZEEBE_CONNECTORS_PROVIDERS_KEY": good})))
    assert sealer.open(sealer.seal(CANARY, "erp"), "erp") == CANARY


async def test_two_editors_do_not_overwrite_each_other(store):
    entry = await store.create("erp", ERP, ME)
    await store.change("erp", edited(without_values(ERP), "description", "mine"), ME, version=entry.version)
    with pytest.raises(ProviderConflictError) as caught:
        await store.change("erp", edited(without_values(ERP), "description", "theirs"), ME, version=entry.version)
    assert caught.value.current.document["description"] == "mine"
    with pytest.raises(ProviderConflictError):
        await store.create("erp", ERP, ME)
    with pytest.raises(ProviderConflictError):
        await store.delete("erp", ME, version=entry.version)
    await store.delete("erp", ME, version=entry.version + 1)
    with pytest.raises(ProviderUnknownError):
        await store.change("erp", ERP, ME, version=1)
    again = await store.create("erp", without_values(ERP), ME)
    assert again.version > entry.version  # an old version number never fits by accident
    assert await password(store) is None


@pytest.mark.parametrize("secured", [False, True])
async def test_copying_an_environment_takes_values_along_by_choice(store, secured):
    """Without them, those of the target would go to another address, and are dropped."""
    entry = await store.create("erp", ERP, ME)
    copied = await store.copy("erp", ME, from_="test", to="live", version=entry.version, secured=secured)
    assert copied.document["environments"]["live"]["url"] == "https://test.example.com/api/"
    assert await password(store) == (f"{CANARY}-test" if secured else None)
    new = await store.copy("erp", ME, from_="test", to="staging", version=copied.version, secured=secured)
    assert "staging" in new.document["environments"]
    assert CANARY not in repr(new)


async def test_a_wrong_document_changes_nothing(store):
    entry = await store.create("erp", ERP, ME)
    with pytest.raises(ProviderError, match="did you mean url"):
        await store.change("erp", edited(without_values(ERP), "environments.live.urll", "x"), ME, version=entry.version)
    assert (await store.find("erp")).version == entry.version


async def test_the_file_wins_and_a_broken_one_changes_nothing(store, tmp_path):
    file = tmp_path / "providers.yaml"
    text = "providers:\n  erp:\n    protocol: http\n    environments: {test: {url: 'http://file.example.com/'}}\n"
    file.write_text(text)
    await store.create("erp", ERP, ME)
    await store.create("other", without_values(ERP), ME)
    directory = Directory(file, store)
    directory.load()
    await directory.refresh()
    assert (directory.get("erp").kind, directory.get("erp").line) == ("file", 2)
    assert directory.get("other").kind == "store"
    revision = directory.get("erp").revision
    file.write_text(text.replace("environments", "enviroments"))
    await directory.refresh()
    assert directory.get("erp").revision == revision
    assert "did you mean environments?" in directory.problem
    file.write_text("")  # as an editor leaves it for a moment
    await directory.refresh()
    assert directory.get("erp").revision == revision
    assert "is empty" in directory.problem
    file.write_text(text.replace("file.example", "new.example"))
    await directory.refresh()
    assert directory.problem is None
    assert directory.get("erp").provider.environments["test"].url == "http://new.example.com/"
    assert directory.get("other").revision < directory.get("erp").revision
    file.write_text("providers: {}\n")
    await directory.refresh()
    assert directory.get("erp").kind == "store"


@pytest.mark.parametrize(
    "broken",
    [
        "UPDATE provider_values SET sealed = substr(sealed, 1, 20) WHERE provider = 'erp'",
        "UPDATE provider_values SET sealed = sealed || '!' WHERE provider = 'erp'",
        "UPDATE provider_values SET sealed = substr(sealed, 1, 12) || 'AAAA' WHERE provider = 'erp'",
        "UPDATE providers SET document = substr(document, 1, 20) WHERE name = 'erp'",
    ],
)
async def test_a_broken_row_harms_no_other_provider(store, database, broken):
    await store.create("erp", ERP, ME)
    await store.create("crm", ERP, ME)
    other = sqlite3.connect(database.file)
    other.executescript(broken)
    other.close()
    assert list(await store.providers()) == ["crm"]
    assert list(store.problems) == ["erp"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("environments.live.authentication", "basic"),
        ("environments.live.tls", "x"),
        ("environments.live.proxy", ["x"]),
        ("environments.live", "x"),
        ("environments", ["live"]),
        ("environments.live.ws_security", {"password": {"value": "canary"}}),
    ],
)
async def test_a_document_of_a_wrong_shape_is_refused_as_such(store, database, path, value):
    entry = await store.create("erp", ERP, ME)
    with pytest.raises(ProviderError) as caught:
        await store.change("erp", edited(without_values(ERP), path, value), ME, version=entry.version)
    assert caught.value.message.startswith(f"erp.{path}")
    assert await password(store) == f"{CANARY}-live"


async def test_a_file_that_comes_later_counts_too(tmp_path):
    file = tmp_path / "providers.yaml"
    directory = Directory(file)
    directory.load()
    await directory.refresh()
    assert directory.all() == {}
    file.write_text("providers: {erp: {protocol: http, environments: {test: {url: 'http://file.example.com/'}}}}")
    await directory.refresh()
    assert directory.get("erp").kind == "file"


async def test_a_copy_with_values_leaves_none_of_the_others(store):
    """What only the target had, such as a key's password, fits nothing of what was copied."""
    document = edited(ERP, "environments.live.tls", {"privateKeyPassword": {"value": f"{CANARY}-key"}})
    entry = await store.create("erp", document, ME)
    assert ("live", "tls.privateKeyPassword") in entry.secured
    copied = await store.copy("erp", ME, from_="test", to="live", version=entry.version, secured=True)
    assert ("live", "tls.privateKeyPassword") not in copied.secured
    assert await password(store) == f"{CANARY}-test"


@pytest.mark.parametrize("text", ["{", "null", "[]"])
async def test_a_broken_row_can_be_shown_replaced_and_deleted(store, database, text):
    """As its problem advises; without it, keys can be rotated again."""
    await store.create("crm", ERP, ME)
    for repair in ("delete", "replace"):
        entry = await store.create("erp", ERP, ME)
        other = sqlite3.connect(database.file)
        other.execute("UPDATE providers SET document = ? WHERE name = 'erp'", (text,))
        other.commit()
        other.close()
        assert list(await store.providers()) == ["crm"]
        assert store.problems["erp"].endswith("delete it and make it anew")
        assert [one.name for one in await store.entries() if not one.is_broken] == ["crm"]
        with pytest.raises(PermanentError, match="erp: its row in the database is not JSON; delete it"):
            await store.rotate(ME)
        if repair == "delete":
            await store.delete("erp", ME, version=entry.version)
        else:
            await store.change("erp", without_values(ERP), ME, version=entry.version)
            assert await password(store) == f"{CANARY}-live"
        assert await store.rotate(ME) == 0


async def test_an_export_leaves_out_a_broken_row(store, database):
    for name in ("erp", "crm"):
        await store.create(name, ERP, ME)
    await database.write(lambda do: do.change("UPDATE providers SET document = '{' WHERE name = 'erp'", {}))
    directory = Directory(None, store)
    await directory.refresh()
    assert list(await exported(directory)) == ["crm"]

"""How statements and addresses are read, without a database."""

from __future__ import annotations

import pytest

from zeebe_connectors import InputError
from zeebe_connectors.connectors.sql.address import read_url
from zeebe_connectors.connectors.sql.statements import bind


def bound(text, parameters, dialect="postgresql", style="format"):
    made = bind(text, parameters, dialect=dialect, paramstyle=style, own={"_jobKey": 7}, field="parameters")
    return made.text, made.values


@pytest.mark.parametrize(
    ("text", "parameters", "want"),
    [
        ("SELECT :a", {"a": 1}, ("SELECT %s", (1,))),
        ("SELECT :a, :a", {"a": 1}, ("SELECT %s, %s", (1, 1))),
        ("SELECT :a::int, x::text", {"a": "1"}, ("SELECT %s::int, x::text", ("1",))),
        ("SELECT '10%', :a", {"a": 1}, ("SELECT '10%%', %s", (1,))),
        ("SELECT '10%'", None, ("SELECT '10%'", ())),
        ("SELECT E'\\':a', :a", {"a": 1}, ("SELECT E'\\':a', %s", (1,))),
        ("SELECT $f$ :a ' $f$, :a", {"a": 1}, ("SELECT $f$ :a ' $f$, %s", (1,))),
        ("SELECT /* /* :b */ :c */ :a", {"a": 1}, ("SELECT /* /* :b */ :c */ %s", (1,))),
        ("SELECT a[1:2], :a;", {"a": 1}, ("SELECT a[1:2], %s", (1,))),
        ("SELECT j ? 'k', :a", {"a": 1}, ("SELECT j ? 'k', %s", (1,))),
        ("SELECT ?, ':a'", [1], ("SELECT %s, ':a'", (1,))),
        ("SELECT :_jobKey", None, ("SELECT %s", (7,))),
        ("SELECT 1 WHERE a IN (:l)", {"l": [1, 2]}, ("SELECT 1 WHERE a IN (%s, %s)", (1, 2))),
        ("SELECT 1 WHERE a NOT IN :l", {"l": []}, ("SELECT 1 WHERE a <> ALL ('{}')", ())),
        ("SELECT 1 WHERE a = ANY(:l)", {"l": [1, 2]}, ("SELECT 1 WHERE a = ANY(%s)", ([1, 2],))),
        ("SELECT :größe, :_x9", {"größe": 1, "_x9": 2}, ("SELECT %s, %s", (1, 2))),
        ("SELECT (a)[:i], a[1:2], f(x := :i)", {"i": 1}, ("SELECT (a)[%s], a[1:2], f(x := %s)", (1, 1))),
        ("SELECT 1 ; ; -- end", None, ("SELECT 1 ; ; -- end", ())),
        ("SELECT 1 ;\n; ", None, ("SELECT 1", ())),
    ],
)
def test_statements(text, parameters, want):
    assert bound(text, parameters) == want


def test_styles():
    assert bound("SELECT :a, '%'", {"a": 1}, "sqlite", "qmark") == ("SELECT ?, '%'", (1,))
    assert bound("SELECT :a FROM dual", {"a": 1}, "oracle", "named") == ("SELECT :p0 FROM dual", {"p0": 1})
    assert bound("SELECT [a:b], :a", {"a": 1}, "mssql", "qmark") == ("SELECT [a:b], ?", (1,))
    assert bound("SELECT `:a` # :b\n, :a", {"a": 1}, "mysql") == ("SELECT `:a` # :b\n, %s", (1,))
    assert bound("SELECT 'a\\':b', :a", {"a": 1}, "mysql") == ("SELECT 'a\\':b', %s", (1,))
    assert bound("SELECT 1 WHERE a IN (:l)", {"l": []}, "mysql")[0].endswith("IN (SELECT NULL FROM DUAL WHERE 1 = 0)")


@pytest.mark.parametrize(
    ("text", "parameters", "names"),
    [
        ("SELECT :a", {}, "a"),
        ("SELECT :a", {"a": 1, "b": 2}, "'b'"),
        ("SELECT ?", [1, 2], "question marks"),
        ("SELECT :a", "text", "context"),
        ("SELECT :a", {"a": "x\0y"}, "NUL"),
        ("SELECT 1; SELECT 2", None, "several"),
        ("SELECT 1;; SELECT 2", None, "several"),
        ("SELECT ?, :a", [1], "the name :a"),
        ("SELECT :a", {"a": "x\ud800"}, "half of a character"),
        ("SELECT 'x", None, "does not end"),
        ("SELECT /* x", None, "does not end"),
        ("SELECT $$ x", None, "does not end"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(text, parameters, names):
    with pytest.raises(InputError) as caught:
        bound(text, parameters)
    assert names in caught.value.message


def test_question_marks_need_a_list():
    """But for PostgreSQL, where they are operators too."""
    with pytest.raises(InputError, match="has question marks; give a list"):
        bound("SELECT ?, :a", {"a": 1}, "sqlite", "qmark")


def test_a_text_is_made_once_for_all_values():
    """The driver of PostgreSQL knows it again by its identity, and lists make texts of their own."""
    text = "SELECT 1 WHERE a = :a OR b IN :b"
    first, again = (bound("".join(text), {"a": number, "b": 1})[0] for number in (1, 2))
    assert first is again
    assert bound(text, {"a": 1, "b": [1, 2]})[0] == "SELECT 1 WHERE a = %s OR b IN (%s, %s)"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:se/cret@db:5432/orders",
        "postgresql://ann:s\u2100cret@db/orders",
        "postgresql://ann:secret@db:99999/orders",
        "mysql://ann:secret@[db/orders",
        "jdbc:sqlserver://db:99999;user=ann;password=secret",
        "jdbc:oracle:thin:ann/secret@//db:0/orders",
    ],
)
def test_a_url_that_cannot_be_read_is_not_repeated(url):
    """Half a password may stand where a port is looked for."""
    with pytest.raises(InputError) as caught:
        read_url(url, kind="postgresql")
    assert caught.value.code == "SQL_URL_INVALID"
    assert not any(part in caught.value.message for part in ("se/", "'se'", "cret", "secret", "99999"))


def test_a_body_may_have_several_statements():
    text = "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW BEGIN SET NEW.a = 1; SET NEW.b = 2; END"
    assert bound(text, None, "mysql")[0] == text


@pytest.mark.parametrize(
    ("url", "want"),
    [
        ("postgresql://db:5433/orders", ("postgresql", "db", 5433, "orders", "", None)),
        ("jdbc:postgresql://db/orders?user=ann&sslmode=verify-full", ("postgresql", "db", 5432, "orders", "ann", True)),
        ("jdbc:mysql://db:3307/orders?useSSL=false&useUnicode=true", ("mysql", "db", 3307, "orders", "", False)),
        ("jdbc:mariadb://db/orders", ("mariadb", "db", 3306, "orders", "", None)),
        ("JDBC:sqlserver://db:1434;databaseName=orders;user=sa;encrypt=true",
         ("sqlserver", "db", 1434, "orders", "sa", True)),
        ("jdbc:oracle:thin:@//db:1522/svc", ("oracle", "db", 1522, "svc", "", None)),
        ("jdbc:oracle:thin:@//db:1522/svc:dedicated", ("oracle", "db", 1522, "svc", "", None)),
        ("jdbc:oracle:thin:ann/p@w@//[::1]:1522/svc", ("oracle", "::1", 1522, "svc", "ann", None)),
        ("jdbc:postgresql:orders?user=ann", ("postgresql", "localhost", 5432, "orders", "ann", None)),
        ("jdbc:postgresql:/", ("postgresql", "localhost", 5432, "", "", None)),
        ("jdbc:postgresql:///orders", ("postgresql", "localhost", 5432, "orders", "", None)),
        ("jdbc:oracle:thin:ann/pw@db:1521/svc", ("oracle", "db", 1521, "svc", "ann", None)),
        ("rdcp://db:5432/orders", ("postgresql", "db", 5432, "orders", "", None)),
        ("rdcp:jdbc:mysql://db/orders", ("mysql", "db", 3306, "orders", "", None)),
        ("rdcp:mysql://db/orders", ("mysql", "db", 3306, "orders", "", None)),
        ("postgres://u:p%40ss@[::1]:5432/a%20b", ("postgresql", "::1", 5432, "a b", "u", None)),
        ("postgresql+asyncpg://db/orders", ("postgresql", "db", 5432, "orders", "", None)),
    ],
)  # fmt: skip
def test_urls(url, want):
    found = read_url(url, kind="postgresql")
    assert (found.kind, found.host, found.port, found.name, found.username, found.tls) == want


def test_passwords_in_urls_and_older_forms():
    assert read_url("postgres://u:p%40ss@db/a", kind="mysql").password.reveal() == "p@ss"
    assert read_url("jdbc:sqlserver://db\\inst;password={a=b}", kind="mysql").password.reveal() == "a=b"
    odd = read_url("jdbc:sqlserver://db;user=sa;password={p;w}};=x}; databaseName = d", kind="mysql")
    assert (odd.password.reveal(), odd.username, odd.name) == ("p;w};=x", "sa", "d")
    assert read_url("jdbc:sqlserver://db\\inst", kind="mysql").instance == "inst"
    assert read_url("jdbc:oracle:thin:@db:1521:XE", kind="mysql").sid == "XE"
    assert read_url("jdbc:postgresql://db/a?currentSchema=sales,public", kind="mysql").schema == "sales,public"
    assert read_url("postgresql://b\u00fccher.example/a", kind="mysql").host == "xn--bcher-kva.example"
    for wrong in ("mysql://db:0/a", "sqlite://", "postgresql://db/a?currentSchema=x%20-c%20y"):
        with pytest.raises(InputError, match="url: "):
            read_url(wrong, kind="mysql")
    assert read_url("jdbc:sqlite:/data/a.db", kind="mysql").name == "/data/a.db"
    assert read_url("sqlite:////data/a.db", kind="mysql").name == "/data/a.db"


@pytest.mark.parametrize(
    "url",
    ["", "db", "http://db/x", "jdbc:db2://db/x", "postgresql:db", "postgresql://a,b/x", "postgresql://db:x/y",
     "jdbc:oracle:thin:x", "jdbc:postgresql://db/x?sslmode=maybe", "jdbc:postgresql://%2Ftmp/x",
     "jdbc:oracle:thin:@(DESCRIPTION=1)", "sqlite:", "postgresql://db:99999/x"],
)  # fmt: skip
def test_wrong_urls(url):
    with pytest.raises(InputError) as caught:
        read_url(url + "?password=canary" if url and "?" not in url else url, kind="postgresql")
    assert "canary" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "dialect", "want"),
    [
        ("SELECT [a:b], [c?], :a", "sqlite", "SELECT [a:b], [c?], ?"),
        ("SELECT /* /* */ :b */ :a", "mssql", "SELECT /* /* */ :b */ ?"),
        (
            "SELECT q'[it's :b]', nq'!it's ?!', :a FROM dual",
            "oracle",
            "SELECT q'[it's :b]', nq'!it's ?!', :p0 FROM dual",
        ),
        ("SELECT freq'x', :a FROM dual", "oracle", "SELECT freq'x', :p0 FROM dual"),
        ("SELECT 5--:a\n-- :b", "mysql", "SELECT 5--%s\n-- :b"),
        ("SELECT 5--:b\n, :a", "sqlite", "SELECT 5--:b\n, ?"),
    ],
)
def test_quotes_and_comments_of_other_databases(text, dialect, want):
    style = {"oracle": "named", "mysql": "format"}.get(dialect, "qmark")
    assert bound(text, {"a": 1}, dialect, style)[0] == want


@pytest.mark.parametrize("text", ["SELECT q'[x' FROM dual", "SELECT q'"])
def test_an_alternative_quote_that_does_not_end(text):
    with pytest.raises(InputError, match="does not end"):
        bound(text, None, "oracle", "named")


@pytest.mark.parametrize(
    ("options", "tls"),
    [
        ("useSSL=true&sslMode=DISABLED", False),
        ("sslMode=VERIFY_CA&useSSL=false", True),
        ("encrypt=optional", False),
        ("encrypt=strict", True),
    ],
)
def test_the_most_specific_option_decides_about_tls(options, tls):
    assert read_url(f"jdbc:mysql://db/orders?{options}", kind="mysql").tls is tls

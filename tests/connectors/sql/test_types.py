"""What becomes of the values at the edge of each database's types: nothing is lost, and nothing fails a query."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from tests.connectors.sql.conftest import _place

from zeebe_connectors.connectors.sql.values import converter, duration, interval

POSTGRESQL = [
    ("interval '1 year 2 mons'", "P1Y2M"),
    ("interval '-1 mons'", "-P1M"),
    ("interval '-1 mons 3 days'", "P-1M3D"),
    ("interval '1 mon -00:00:01.5'", "P1MT-1.5S"),
    ("interval '1 mon 2 days 30:04:05.600'", "P1M2DT30H4M5.6S"),
    ("interval '-1 year -2 days -03:00'", "-P1Y2DT3H"),
    ("interval '30:00:00'", "P1DT6H"),
    ("interval '0'", "PT0S"),
    ("interval '178000000 years'", "P178000000Y"),
    ("'infinity'::interval", "infinity"),
    ("ARRAY[interval '1 mon', NULL]", ["P1M", None]),
    ("numrange(1.10, NULL)", "[1.10,)"),
    ("tsrange(NULL, '2026-01-01')", '(,"2026-01-01 00:00:00")'),
    ("daterange('2026-01-01', 'infinity')", "[2026-01-01,infinity)"),
    ("ARRAY[int4range(1, 2)]", ["[1,2)"]),
    ("int4multirange(int4range(1, 3), int4range(5, 7))", "{[1,3),[5,7)}"),
    ("ROW(1, 'a')::pair", "(1,a)"),
    ("ARRAY[ROW(1, 'a b')::pair, NULL]", ['(1,"a b")', None]),
    ("'O''k'::mood", "O'k"),
    ("ARRAY['sad', 'O''k', NULL]::mood[]", ["sad", "O'k", None]),
    ("ARRAY[ARRAY['sad'], ARRAY['O''k']]::mood[]", [["sad"], ["O'k"]]),
    ("'{}'::mood[]", []),
    ("5.10::pos", "5.10"),
    ("12.5::money", "$12.50"),
    (r"ARRAY['\xde'::bytea]", ["3g=="]),
    ("ARRAY['NaN'::numeric, 1.50]", ["NaN", "1.50"]),
    ("timestamptz '2026-01-02 03:04:05+05:30' AT TIME ZONE 'UTC'", "2026-01-01T21:34:05"),
    ("ARRAY[timestamptz 'infinity']", ["infinity"]),
    ("'[0:1]={3,4}'::int[]", [3, 4]),
    ("18446744073709551615::numeric", "18446744073709551615"),
    ("""'{"a": 12345678901234567890, "b": [9223372036854775807]}'::jsonb""",
     {"a": "12345678901234567890", "b": [9223372036854775807]}),
    ("B'101'", "101"),
]  # fmt: skip


async def test_postgresql(pg):
    for made in (
        "TYPE pair AS (a INT, b TEXT)",
        "TYPE mood AS ENUM ('sad', 'O''k')",
        "DOMAIN pos AS NUMERIC(10, 2)",
    ):
        await pg.do("execute", f"CREATE {made}")
    columns = ", ".join(f"{text} AS c{number}" for number, (text, _) in enumerate(POSTGRESQL))
    row = (await pg.do("query", f"SELECT {columns}"))["rows"][0]
    assert dict(zip([text for text, _ in POSTGRESQL], row.values(), strict=True)) == dict(POSTGRESQL)


MARIADB = [
    ("BIGINT UNSIGNED", "18446744073709551615", "18446744073709551615"),
    ("BIGINT UNSIGNED", "9223372036854775807", 9223372036854775807),
    ("TIME(3)", "'838:59:58.999'", "838:59:58.999000"),
    ("TIME", "'-838:59:59'", "-838:59:59"),
    ("TIME", "'12:30:00'", "12:30:00"),
    ("DATE", "'0000-00-00'", "0000-00-00"),
    ("DATETIME", "'0000-00-00 00:00:00'", "0000-00-00 00:00:00"),
    ("DATE", "'2026-01-00'", "2026-01-00"),
    ("DATETIME(6)", "'9999-12-31 23:59:59.999999'", "9999-12-31T23:59:59.999999"),
    ("BIT(1)", "b'1'", 1),
    ("BIT(10)", "b'1000000001'", 513),
    ("BIT(64)", "b'1111111111111111111111111111111111111111111111111111111111111111'", "18446744073709551615"),
    ("ENUM('x', 'é')", "'é'", "é"),
    ("SET('a', 'b', 'c')", "'c,a'", "a,c"),
    ("BINARY(4)", "'ab'", "YWIAAA=="),
    ("VARBINARY(9)", "x'ff00'", "/wA="),
    ("BLOB", "''", ""),
    ("YEAR", "2026", 2026),
    ("INT AS (2 * 2) STORED", "DEFAULT", 4),
    ("DECIMAL(65, 30)", "12345678901234567890123456789012345.000000000000000000000000000001",
     "12345678901234567890123456789012345.000000000000000000000000000001"),
    ("DECIMAL(5, 0)", "7", "7"),
    ("INT(5) ZEROFILL", "5", 5),
    ("VARCHAR(5) CHARACTER SET latin1", "'é'", "é"),
]  # fmt: skip


@pytest.mark.servers
async def test_mariadb(maria_alone):
    columns = ", ".join(f"c{number} {kind}" for number, (kind, _, _) in enumerate(MARIADB))
    statements = [
        {"statement": "SET sql_mode = 'ALLOW_INVALID_DATES'"},
        {"statement": f"CREATE TABLE edges ({columns})"},
        {"statement": f"INSERT INTO edges VALUES ({', '.join(value for _, value, _ in MARIADB)})"},
    ]
    await maria_alone.do("transaction", statements=statements)
    row = (await maria_alone.do("query", "SELECT * FROM edges"))["rows"][0]
    assert list(row.values()) == [want for _, _, want in MARIADB]
    fail = await maria_alone.fails("execute", "UPDATE edges SET c6 = :at", {"at": "no date"})
    assert (fail.code, "c6" in fail.message, "no date" in fail.message) == ("SQL_DATA_INVALID", True, False)


@pytest.fixture
async def maria_alone(request):
    """An empty database of MariaDB."""
    place = _place("mariadb", request, request.getfixturevalue("tmp_path"))
    yield place
    await place.clients.aclose()


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("x'00ff'", "AP8="),
        ("zeroblob(3)", "AAAA"),
        ("-9223372036854775808", -9223372036854775808),
        ("1e999", "Infinity"),
        ("CAST(x'ff41' AS TEXT)", "/0E="),
        ("CAST(x'eda080' AS TEXT)", "7aCA"),
        ("'é' || char(0)", "é\0"),
        ("date('2026-01-31', '+1 month')", "2026-03-03"),
        ("1.0", 1.0),
        ("NULL", None),
    ],
)
async def test_sqlite(lite, text, want):
    assert (await lite.do("query", f"SELECT {text} AS v"))["rows"] == [{"v": want}]


async def test_sqlite_numbers_only_rows_that_have_numbers(lite):
    """A key that the database has not generated now is none, though the driver repeats the last one that it has."""
    await lite.do("execute", "CREATE TABLE k (id INTEGER PRIMARY KEY, n INT UNIQUE)")
    await lite.do("execute", 'CREATE TABLE "Words" (k TEXT PRIMARY KEY, v) WITHOUT ROWID')
    want = [
        ("INSERT INTO k (n) VALUES (5)", 1, [1]),
        ("INSERT OR IGNORE INTO k (n) VALUES (5)", 0, []),
        ("INSERT INTO words VALUES ('x', 1)", 1, []),
        ("INSERT INTO main.\"Words\" VALUES ('y', 1)", 1, []),
        ("REPLACE INTO [Words] VALUES ('y', 2)", 1, []),
        ("INSERT INTO `Words` VALUES ('z', 1) RETURNING k", 1, ["z"]),
        ("WITH q AS (SELECT 7 AS n) INSERT INTO k (n) SELECT n FROM q", 1, []),
        ("WITH q AS (SELECT 7 AS n) UPDATE k SET n = n + 1 WHERE n IN (SELECT n FROM q)", 1, []),
        ("UPDATE words SET v = 2", 3, []),
        ("INSERT INTO main.k (n) VALUES (6)", 1, [3]),
    ]
    for statement, affected, keys in want:
        done = await lite.do("execute", statement)
        assert (statement, done["generatedKeys"]) == (statement, keys)
        if "RETURNING" not in statement:
            assert (statement, done["affected"]) == (statement, affected)


@pytest.mark.parametrize(
    ("value", "text", "number"),
    [
        (Decimal("1.10"), "1.10", 1.1),
        (Decimal("1E+30"), "1000000000000000000000000000000", 1e30),
        (Decimal(18446744073709551615), "18446744073709551615", 1.8446744073709552e19),
        (Decimal(9223372036854775807), "9223372036854775807", 9223372036854775807),
        (Decimal("1E+400"), "1" + "0" * 400, "Infinity"),
        (Decimal("-0.00"), "-0.00", 0),
        (2**63, "9223372036854775808", "9223372036854775808"),
        (-(2**63), -(2**63), -(2**63)),
        (True, True, True),
    ],
)
def test_numbers(value, text, number):
    for as_number, want in ((False, text), (True, number)):
        got = converter(decimals_as_numbers=as_number)(value)
        assert (got, type(got)) == (want, type(want))


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("1 year", "P1Y"),
        ("-1 years -2 mons +3 days -04:05:06.789", "P-1Y-2M3DT-4H-5M-6.789S"),
        ("1 mon 00:00:00.000001", "P1MT0.000001S"),
        ("@ 1 mon", "@ 1 mon"),
        ("-1 days +02:00:00", "-PT22H"),
    ],
)
def test_intervals_have_one_form(text, want):
    assert interval(text) == want


def test_a_negative_length_of_time_is_one_duration():
    assert duration(timedelta(days=-1, hours=2)) == "-PT22H"

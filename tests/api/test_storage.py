"""storage.postgres: the connection string gets from its Secret into the settings, and nowhere else."""

from support.rows import every_row
from trackpush_api import shards
from trackpush_api.compile import Compiled, compile_table
from trackpush_api.dsn import why_unusable
from trackpush_api.manifest import parse_manifests
from trackpush_api.problems import Severity
from trackpush_api.routing import Postgres, RoutingTable, ServerSettings, Sqlite

SERVER = """
apiVersion: trackpush.dev/v1alpha1
kind: WebhookServer
metadata: {name: main, namespace: trackpush}
spec: {storage: {postgres: {dsnSecretRef: {name: db, key: dsn}}}, replicas: 3}
---
apiVersion: v1
kind: Secret
metadata: {name: db, namespace: trackpush}
stringData: {dsn: "DSN"}
"""
DSN = "postgresql://trackpush:s3cret-word@db.example:5432/trackpush?sslmode=verify-full"


def compiled(text: str) -> Compiled:
    parsed = parse_manifests({"r.yaml": text})
    assert parsed.problems == ()
    return compile_table(parsed.resources, parsed.secrets)


def test_the_connection_string_stands_in_the_settings() -> None:
    found = compiled(SERVER.replace("DSN", DSN))
    assert found.problems == ()
    assert found.table is not None
    assert found.table.server.storage == Postgres(dsn=DSN)


def test_a_changed_password_is_another_revision_and_no_log_of_the_settings_shows_it() -> None:
    tables = [compiled(SERVER.replace("DSN", dsn)).table for dsn in (DSN, DSN.replace("s3cret", "n3w"))]
    assert len({table.revision for table in tables if table is not None}) == 2
    assert "s3cret" not in repr(tables[0])


@every_row(
    ("old", "new", "field", "reason", "told"),
    [
        ("name: db, namespace", "name: x, namespace", "name", "SecretNotFound",
         'Secret "db" is not in namespace "trackpush"; create it or fix the name'),
        ("{dsn: ", "{url: ", "key", "SecretKeyNotFound",
         'Secret "db" has no key "dsn" (found: "url"); add it or fix the key'),
        ("DSN", "", "key", "SecretValueInvalid", 'key "dsn" of Secret "db" is empty; set it'),
        ("DSN", "mysql://u:s3cret@h/d", "key", "SecretValueInvalid",
         'key "dsn" of Secret "db" is not a PostgreSQL URL; write postgresql://USER:PASSWORD@HOST:5432/DATABASE'),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_secret_is_reported_and_there_is_no_table(
    old: str, new: str, field: str, reason: str, told: str
) -> None:
    found = compiled(SERVER.replace(old, new, 1))
    (problem,) = [problem for problem in found.problems if problem.severity is Severity.ERROR]
    assert problem.field == f"spec.storage.postgres.dsnSecretRef.{field}"
    assert (problem.condition, problem.reason, problem.message) == ("ResolvedRefs", reason, told)
    assert found.table is None


@every_row(
    "dsn",
    [
        "postgresql://u:p%40w@h/d",
        "postgres://u@a:5432,b:5433/d?target_session_attrs=read-write&sslmode=require",
        "postgresql://u:p@[::1]:5432,[::2]/d",
        "postgresql:///d?host=/run/postgresql",
        "postgresql://h/d?application_name=trackpush",
    ],
)
def test_urls_that_the_driver_can_use(dsn: str) -> None:
    assert why_unusable(dsn) is None


@every_row(
    ("dsn", "told"),
    [
        ("host=h dbname=d", "is not a PostgreSQL URL"),
        ("postgresql:///d", "names no host"),
        ("postgresql://u:p@h,/d", "names no host"),
        ("postgresql://u:p@w@h/d", "percent-encoded"),
        ("postgresql://u:p#w@h/d", "percent-encoded"),
        ("postgresql://u:p/w@h/d", "percent-encoded"),
        ("postgresql://u:p w@h/d", "percent-encoded"),
        ("postgresql://[h/d", "can't be read as a URL"),
        ("postgresql://h:99999/d", "a port that is not a number from 1 to 65535"),
        ("postgresql://h:0/d", "a port that is not a number from 1 to 65535"),
        ("postgresql://h/d?connect_timeout=3&channel_binding=require", "remove channel_binding, connect_timeout"),
        ("postgresql://h/d?sslmode=on", "write one of disable, allow, prefer, require, verify-ca, verify-full"),
        ("postgresql://h/d?target_session_attrs=standby", "write one of any, primary, read-write"),
    ],
)
def test_urls_that_it_cant_are_reported_without_quoting_them(dsn: str, told: str) -> None:
    assert told in (why_unusable(dsn) or "")


def test_settings_without_a_storage_mean_sqlite_and_a_shard_carries_the_storage() -> None:
    old = b'{"format":1,"server":"t/main","name":"settings","settings":{"name":"t/main"}}'
    settings = shards.decode(old).settings
    assert settings is not None
    assert settings.storage == Sqlite()
    table = RoutingTable(server=ServerSettings(name="t/main", storage=Postgres(dsn=DSN)))
    again = shards.decode(shards.encode(shards.split(table)[shards.SETTINGS]))
    assert again.settings == table.server

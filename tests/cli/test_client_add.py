"""`client add` and `init` write resources that are valid at once, and never change a file."""

import stat
from pathlib import Path

import pytest
import yaml

from kube.fixtures import ApiServer
from support.command import Result, invoked, trackpush
from trackpush_aggregators.catalog import catalog_names

OPTIONS = ("acme", "--url", "https://acme.example/hooks", "--aggregator", "clickpost", "--host", "hooks.example.com")


async def check(folder: Path) -> Result:
    return await invoked("check", str(folder))


async def test_init_and_a_second_client_pass_check_without_a_warning(tmp_path: Path) -> None:
    first = await invoked("init", *OPTIONS, "--aggregator", "Shipway", "-f", str(tmp_path / "acme.yaml"))
    more = [argument for name in ("shiprocket", *catalog_names()) for argument in ("--aggregator", name)]
    second = await invoked(
        "client", "add", "zen", "--url", "https://zen.example/", *more, "--header", "X-Api-Key",
        "--host", "hooks.example.com", "-f", str(tmp_path / "zen.yaml"),
    )  # fmt: skip
    checked = await check(tmp_path)

    assert (first.exit_code, second.exit_code) == (0, 0), (first, second)
    assert checked.stdout.splitlines()[-1] == "0 errors, 0 warnings", checked.stdout
    assert "https://hooks.example.com/rms/in/api/clickpost/notify" in first.stderr
    assert stat.S_IMODE((tmp_path / "acme.yaml").stat().st_mode) == 0o600


async def test_standard_output_holds_the_yaml_alone_and_standard_error_no_secret() -> None:
    done = await invoked("client", "add", *OPTIONS, "--header", "X-Api-Key")
    namespace, secret, push_config, webhook = yaml.safe_load_all(done.stdout)

    assert [body["kind"] for body in (namespace, secret, push_config, webhook)] == [
        "Namespace", "Secret", "PushConfig", "AggregatorWebhook",
    ]  # fmt: skip
    assert secret["stringData"].keys() == {"clickpost", "signing", "api-key"}
    assert len(set(secret["stringData"].values())) == 3
    assert not [value for value in secret["stringData"].values() if value in done.stderr]
    assert push_config["spec"]["headers"][0]["name"] == "X-Api-Key"


async def test_two_runs_make_different_keys() -> None:
    texts = [(await invoked("client", "add", *OPTIONS)).stdout for _ in range(2)]
    keys = [next(body for body in yaml.safe_load_all(text) if body["kind"] == "Secret")["stringData"] for text in texts]
    assert not {*keys[0].values()} & {*keys[1].values()}


async def test_an_existing_file_is_never_changed(tmp_path: Path) -> None:
    file = tmp_path / "acme.yaml"
    file.write_text("mine")
    dangling = tmp_path / "link.yaml"
    dangling.symlink_to(tmp_path / "elsewhere.yaml")
    for path in (file, dangling):
        done = await invoked("client", "add", *OPTIONS, "-f", str(path))
        assert (done.exit_code, "exists; it is not changed" in done.stderr) == (2, True)
    assert file.read_text() == "mine"
    assert not (tmp_path / "elsewhere.yaml").exists()


async def test_an_api_server_accepts_the_resources(api_server: ApiServer, namespace: str) -> None:
    more = [argument for name in ("Shipway", "shiprocket", *catalog_names()) for argument in ("--aggregator", name)]
    made = await invoked("client", "add", namespace, *OPTIONS[1:], *more, "--header", "X-Api-Key")
    applied = api_server.kubectl("apply", "--dry-run=server", "-f", "-", stdin=made.stdout)
    assert applied.stdout.count("created (server dry run)") == 2 + 3 + len(catalog_names())


WRONG = {
    "the client's name 'Acme Ltd'": ("Acme Ltd", *OPTIONS[1:]),
    "the URL of the pushes: write https://HOST/PATH": ("acme", "--url", "acme.example", *OPTIONS[3:]),
    "the aggregator 'clickpots' is unknown; use clickpost": (*OPTIONS, "--aggregator", "clickpots"),
    "the host 'https://x/y'": (*OPTIONS[:-1], "https://x/y"),
    "the header 'X Key'": (*OPTIONS, "--header", "X Key"),
    "--server 'main'": (*OPTIONS, "--server", "main"),
}


@pytest.mark.parametrize("message", WRONG)
async def test_an_answer_that_cannot_be_used_is_explained(message: str) -> None:
    done = await invoked("client", "add", *WRONG[message])
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr


async def test_without_a_terminal_missing_answers_are_named() -> None:
    done = await trackpush("client", "add", "acme")
    assert done.exit_code == 2
    assert "--url, --aggregator, --host missing; without a terminal nothing can be asked" in done.stderr

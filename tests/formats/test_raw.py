"""A push in Raw format is the aggregator's own body of that update, without the client's key."""

import json
from pathlib import Path

from aggregators.bodies import clickpost, shipway
from formats.samples import SAMPLE_POSTS, key, push, updates
from trackpush_api.vocabulary import Aggregator


async def test_every_sample_is_pushed_as_its_aggregator_sent_it(tmp_path: Path) -> None:
    arrivals = (await push(tmp_path))["Raw"]

    sent = {update.body for aggregator, body in SAMPLE_POSTS for update in updates(aggregator, body)}
    pushed = {arrival.body for arrival in arrivals}
    assert pushed <= sent
    assert len(pushed) == len(arrivals) > 20
    for arrival in arrivals:
        assert isinstance(json.loads(arrival.body), dict)
        assert arrival.headers["content-type"] == "application/json"
        assert arrival.webhook_id.startswith("psh_")


async def test_a_key_that_the_aggregator_echoes_reaches_no_client(tmp_path: Path) -> None:
    clickpost_key, shipway_key = key(Aggregator.CLICKPOST), key(Aggregator.SHIPWAY)
    wrapped = {"payload": clickpost(remark=f"by {clickpost_key}"), "internal": {"key": clickpost_key}}
    called_back = shipway(callback_url=f"https://gateway.example.test/rms/in/api/shipway/notify/{shipway_key}")
    feed = {"hash": shipway_key, "status_feed": [shipway(awbno="1901")]}
    posts = [
        (Aggregator.CLICKPOST, json.dumps(wrapped).encode()),
        (Aggregator.SHIPWAY, json.dumps(called_back).encode()),
        (Aggregator.SHIPWAY, json.dumps(feed).encode()),
    ]

    arrivals = await push(tmp_path, posts)

    for format_, received in arrivals.items():
        assert len(received) == 3
        for arrival in received:
            assert clickpost_key.encode() not in arrival.body, format_
            assert shipway_key.encode() not in arrival.body, format_

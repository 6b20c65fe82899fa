"""Logins at once: how long saving takes while many people log in with the right password.

    python benchmarks/labeling_logins.py --logins 400

Once all of them as one person, which the throttle slows down, and once as so many people, of whom
as many get past it as one network may have, and fill the pool that hashes. Bar: 95 % of the saves
are on disk within 500 ms meanwhile, and no login ends in an error of the server: it lets in, asks
to wait (429), or says that too many wait already (503). The load comes from a process on the same
machine; its load average is in the figures, which go to benchmarks/results/labeling_logins.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import tempfile
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
import lent_tests  # noqa: F401 - makes `tests` the repository's

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "labeling_logins.json"
BAR_MS = 500.0
EVERY_S = 0.05  # between two saves
SOME = 20  # saves before the logins, to compare with


def save(http: httpx.Client, assignment: int, seq: int, times: list[float]) -> int:
    """Save one edit; the sequence number after it."""
    begun = time.monotonic()
    value = {"lane": seq % 14, "start": 3, "end": 9, "value": seq // 14 % 2}
    operation = {"id": f"save-{seq:08d}", "kind": "paint", "payload": value, "client_ms": 1}
    batch = {"client": "window", "base_seq": seq, "operations": [operation], "active_ms": 0}
    answer = http.post(f"/api/assignments/{assignment}/operations", json=batch)
    answer.raise_for_status()
    times.append((time.monotonic() - begun) * 1000)
    return int(answer.json()["seq"])


def save_beside_logins(
    url: str, cookies: dict[str, str], csrf: str, assignment: int, names: list[str]
) -> tuple[list[float], list[float], Counter[str], float]:
    """Save while a process of its own logs all these people in at once.

    Returns the saves' times before and meanwhile, in ms, the answers by status, and how long all
    logins took, in seconds.
    """
    before: list[float] = []
    meanwhile: list[float] = []
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    crowd = spawn.Process(target=log_in_at_once, args=(url, names, theirs), daemon=True)
    with httpx.Client(base_url=url, timeout=120, cookies=cookies) as worker:
        worker.headers["x-csrf-token"] = csrf
        seq = 0
        crowd.start()
        ours.recv()  # it stands ready
        for _ in range(SOME):
            seq = save(worker, assignment, seq, before)
        ours.send("go")
        while not ours.poll():
            seq = save(worker, assignment, seq, meanwhile)
            time.sleep(EVERY_S)
    answers, seconds = ours.recv()
    crowd.join()
    return before, meanwhile, answers, seconds


def log_in_at_once(url: str, names: list[str], told: Connection) -> None:
    """Log all of them in at once when told to, and tell the answers and how long they took."""
    from tests.labeling_tool.running import PASSWORD

    async def log_in(http: httpx.AsyncClient, name: str) -> str:
        body = {"name": name, "password": PASSWORD}
        try:
            return str((await http.post("/api/login", json=body)).status_code)
        except httpx.HTTPError as error:
            return type(error).__name__

    async def all_of_them() -> Counter[str]:
        many = httpx.Limits(max_connections=len(names))
        async with httpx.AsyncClient(base_url=url, timeout=300, limits=many) as http:
            return Counter(await asyncio.gather(*(log_in(http, name) for name in names)))

    told.send("ready")
    told.recv()
    begun = time.monotonic()
    answers = asyncio.run(all_of_them())
    told.send((answers, time.monotonic() - begun))


def measure(names: list[str]) -> dict[str, object]:
    """Run it on a server of its own, on SQLite; the figures."""
    from vidact.labeling_tool.config import ServeConfig
    from vidact.labeling_tool.context import Context
    from vidact.labeling_tool.people.accounts import add_account
    from vidact.labeling_tool.people.passwords import hash_now

    from tests.labeling_tool.running import PASSWORD, Script, Server
    from tests.labeling_tool.seeding import add_tasks

    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        context = Context.open(ServeConfig(data=str(data), practice=False))
        project = add_tasks(context, 1, frames=128)
        server = Server(data, "--no-practice").start()
        try:
            ada = Script(server.url).setup()
            hashed = hash_now(PASSWORD)
            with context.database.write() as session:
                for name in sorted(set(names)):
                    add_account(session, name, "contractor", hashed)
            context.close()
            claimed = ada.post(f"/api/projects/{project}/claim")["assignment"]
            cookies, csrf = dict(ada.http.cookies), ada.person["csrf"]
            before, meanwhile, answers, took = save_beside_logins(
                server.url, cookies, csrf, claimed, names
            )
        finally:
            server.stop()

    def percentile(times: list[float], share: float) -> float:
        return round(sorted(times)[min(len(times) - 1, int(share * len(times)))], 1)

    p95 = percentile(meanwhile, 0.95)
    expected = {"200", "429", "503"}
    return {
        "logins": len(names),
        "answers": dict(sorted(answers.items())),
        "seconds": round(took, 1),
        "saves": len(meanwhile),
        "p95_before_ms": percentile(before, 0.95),
        "p50_ms": percentile(meanwhile, 0.5),
        "p95_ms": p95,
        "worst_ms": percentile(meanwhile, 1.0),
        "load_average_at_start": round(load, 1),
        "cores": os.cpu_count(),
        "bar_met": p95 <= BAR_MS and set(answers) <= expected,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--logins", type=int, default=400)
    logins = parser.parse_args().logins
    crowds = {
        "as one person": ["carl"] * logins,
        "as many people": [f"person {number}" for number in range(logins)],
    }
    text = json.dumps({what: measure(names) for what, names in crowds.items()}, indent=1)
    print(text)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text + "\n")


if __name__ == "__main__":
    main()

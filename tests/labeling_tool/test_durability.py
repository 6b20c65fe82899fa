"""Power cuts: the server is killed under busy clients, and no acknowledged operation is lost or
doubled.
"""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from vidact.labeling_tool.store.models import Operation

from tests.labeling_tool.conftest import open_context
from tests.labeling_tool.running import Script, Server
from tests.labeling_tool.seeding import add_tasks

CLIENTS = 8


class Client(threading.Thread):
    """Saves batch after batch on one task, and sends a batch again until it is acknowledged, as the
    pages do.
    """

    def __init__(self, url: str, token: str, assignment: int, number: int):
        super().__init__(daemon=True)
        self.http = httpx.Client(
            base_url=url, timeout=10, headers={"authorization": f"Bearer {token}"}
        )
        self.assignment, self.number = assignment, number
        self.rng = random.Random(number)
        self.acknowledged: list[str] = []
        self.problems: list[str] = []
        self.stopping = threading.Event()

    def run(self) -> None:
        made, seq = 0, 0
        while not self.stopping.is_set():
            ids = [
                f"c{self.number}-operation-{made + i:06d}" for i in range(self.rng.randrange(1, 6))
            ]
            made += len(ids)
            batch = {
                "client": f"window-{self.number}",
                "base_seq": seq,
                "operations": [
                    {
                        "id": id,
                        "kind": "paint",
                        "payload": {"lane": 0, "start": 0, "end": 1, "value": 1},
                        "client_ms": 1,
                    }
                    for id in ids
                ],
            }
            while not self.stopping.is_set():
                try:
                    answer = self.http.post(
                        f"/api/assignments/{self.assignment}/operations", json=batch
                    )
                except httpx.HTTPError:
                    time.sleep(0.05)
                    continue
                if answer.status_code == 200:
                    seq = answer.json()["seq"]
                    self.acknowledged += ids
                    break
                self.problems.append(f"{answer.status_code} {answer.text[:200]}")
                return


def kill_again_and_again(folder: Path, database: str | None, kills: int) -> dict[str, Any]:
    """Counts of acknowledged operations, and of those that were lost or doubled, or left gaps."""
    context = open_context(folder / "data", database)
    project = add_tasks(context, CLIENTS)
    context.close()
    server = Server(folder / "data", "--no-practice", database=database).start()
    ada = Script(server.url).setup()
    clients = []
    for number in range(CLIENTS):
        ada.add_user(f"busy{number}")
        person = Script(server.url).login(f"busy{number}")
        assignment = person.post(f"/api/projects/{project}/claim")["assignment"]
        token = person.post("/api/tokens", {"name": "client", "scopes": ["label"]})["token"]
        clients.append(Client(server.url, token, assignment, number))
    for client in clients:
        client.start()
    rng = random.Random(1)
    try:
        for _ in range(kills):
            time.sleep(rng.uniform(0.3, 1.2))
            server.kill()
            server.start()
        time.sleep(0.5)
    finally:
        for client in clients:
            client.stopping.set()
        for client in clients:
            client.join(30)
        server.kill()
    context = open_context(folder / "data", database)
    try:
        with context.database.read() as session:
            stored = session.scalars(select(Operation.id)).all()
            seqs = session.execute(
                select(
                    func.count(), func.count(Operation.seq.distinct()), func.max(Operation.seq)
                ).group_by(Operation.assignment_id)
            ).all()
            whole = (
                session.connection().exec_driver_sql("PRAGMA integrity_check").scalar()
                if database is None
                else "ok"
            )
    finally:
        context.close()
    acknowledged = [id for client in clients for id in client.acknowledged]
    return {
        "acknowledged": len(acknowledged),
        "lost": len(set(acknowledged) - set(stored)),
        "doubled": len(stored) - len(set(stored)),
        "gaps": sum(not count == distinct == last for count, distinct, last in seqs),
        "integrity": whole,
        "problems": [problem for client in clients for problem in client.problems],
    }


def require_durable(outcome: dict[str, Any]) -> None:
    print(outcome)
    assert outcome["acknowledged"] > 20
    assert {**outcome, "acknowledged": 0} == {
        "acknowledged": 0,
        "lost": 0,
        "doubled": 0,
        "gaps": 0,
        "integrity": "ok",
        "problems": [],
    }


def test_killed_three_times(tmp_path: Path, database_url: str | None) -> None:
    require_durable(kill_again_and_again(tmp_path, database_url, kills=3))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_killed_fifty_times(tmp_path: Path, database_url: str | None) -> None:
    require_durable(kill_again_and_again(tmp_path, database_url, kills=50))

"""Load: simulated annotators who each save a batch every two seconds; how long saving takes, what
the load costs.

    python benchmarks/labeling_load.py --people 100 --seconds 60
    python benchmarks/labeling_load.py --postgres postgresql://postgres@127.0.0.1:5433/postgres

Bar: no errors, and 95 % of the batches are on disk within 500 ms, on SQLite and on PostgreSQL (a
cluster of its own on this machine unless a URL names one). The load comes from the same machine;
what it costs is in the figures, which go to benchmarks/results/labeling_load.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lent_tests  # noqa: F401 - makes `tests` the repository's

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "labeling_load.json"
EVERY_S = 2.0
BAR_MS = 500.0


async def annotate(  # noqa: PLR0917 - what a person is
    url: str,
    token: str,
    assignment: int,
    number: int,
    until: float,
    times: list[float],
    errors: list[str],
) -> None:
    """One person: a batch of one to six operations every two seconds, a heartbeat every thirty."""
    import httpx

    rng = random.Random(number)
    seq = made = 0
    # Certificates are none of plain HTTP's business; loading them a hundred times would hold up
    # everybody's clock.
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=url, timeout=30, headers=headers, verify=False) as http:
        await asyncio.sleep(rng.uniform(0, EVERY_S))
        beat = time.monotonic() + 30
        while time.monotonic() < until:
            begun = time.monotonic()
            count = rng.randrange(1, 7)
            operations = [
                {
                    "id": f"p{number:04d}-{made + i:08d}",
                    "kind": "paint",
                    "payload": {
                        "lane": rng.randrange(14),
                        "start": 3,
                        "end": 9,
                        "value": rng.randrange(2),
                    },
                    "client_ms": 1,
                }
                for i in range(count)
            ]
            made += count
            batch = {
                "client": f"window{number}",
                "base_seq": seq,
                "operations": operations,
                "active_ms": 1900,
            }
            try:
                answer = await http.post(f"/api/assignments/{assignment}/operations", json=batch)
                times.append((time.monotonic() - begun) * 1000)
                if answer.status_code == 200:
                    seq = answer.json()["seq"]
                else:
                    errors.append(f"{answer.status_code} {answer.text[:200]}")
                if time.monotonic() > beat:
                    beat += 30
                    (
                        await http.post("/api/heartbeat", json={"assignments": [assignment]})
                    ).raise_for_status()
            except httpx.HTTPError as error:
                errors.append(repr(error))
            await asyncio.sleep(max(0.0, EVERY_S - (time.monotonic() - begun)))


def cpu_s(process: int) -> float:
    """Processor seconds that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def machine_busy_s() -> float:
    """Processor seconds that everything on this machine has used: a database in processes of its
    own is in it.
    """
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def measure(people: int, seconds: float, database: str | None) -> dict[str, object]:
    """Run the load; the figures."""
    import httpx
    from vidact.labeling_tool.config import ServeConfig
    from vidact.labeling_tool.context import Context
    from vidact.labeling_tool.people.names import name_key
    from vidact.labeling_tool.people.passwords import new_token, token_hash
    from vidact.labeling_tool.store.models import ApiToken, User, now_ms

    from tests.labeling_tool.running import Server

    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        context = Context.open(ServeConfig(data=str(data), database=database, practice=False))
        project = _seed(context, people)
        tokens = [f"vat_{new_token()}" for _ in range(people)]
        names = [f"load{i}-{os.getpid()}" for i in range(people)]
        with context.database.write() as session:
            users = [
                User(name=name, name_key=name_key(name), password_hash="-", role="annotator")
                for name in names
            ]
            session.add_all(users)
            session.flush()
            session.add_all(
                ApiToken(
                    user_id=user.id,
                    name="load",
                    token_sha256=token_hash(token),
                    expires_ms=now_ms() + 3600_000,
                    scopes="label",
                )
                for user, token in zip(users, tokens, strict=True)
            )
        context.close()
        server = Server(data, "--no-practice", database=database).start()
        try:
            claims = [
                httpx.post(
                    f"{server.url}/api/projects/{project}/claim",
                    json={},
                    headers={"authorization": f"Bearer {token}"},
                    timeout=60,
                ).json()["assignment"]
                for token in tokens
            ]
            assert server.process is not None
            times: list[float] = []
            errors: list[str] = []
            server_cpu, own_cpu, begun = (
                cpu_s(server.process.pid),
                time.process_time(),
                time.monotonic(),
            )
            all_cpu = machine_busy_s()

            async def all_people() -> None:
                until = time.monotonic() + seconds
                await asyncio.gather(
                    *(
                        annotate(server.url, token, claim, i, until, times, errors)
                        for i, (token, claim) in enumerate(zip(tokens, claims, strict=True))
                    )
                )

            asyncio.run(all_people())
            took = time.monotonic() - begun
            all_cpu = machine_busy_s() - all_cpu
            server_cpu, own_cpu = (
                cpu_s(server.process.pid) - server_cpu,
                time.process_time() - own_cpu,
            )
        finally:
            server.stop()
    times.sort()

    def percentile(share: float) -> float:
        return round(times[min(len(times) - 1, int(share * len(times)))], 1)

    return {
        "database": "sqlite" if database is None else "postgresql",
        "people": people,
        "seconds": round(took, 1),
        "batches": len(times),
        "errors": len(errors),
        "first_errors": errors[:3],
        "p50_ms": percentile(0.5),
        "p95_ms": percentile(0.95),
        "p99_ms": percentile(0.99),
        "server_cores": round(server_cpu / took, 3),
        "load_generator_cores": round(own_cpu / took, 3),
        "whole_machine_cores": round(all_cpu / took, 3),
        "cores": os.cpu_count(),
        "bar_met": not errors and percentile(0.95) <= BAR_MS,
    }


def _seed(context, people: int) -> int:  # type: ignore[no-untyped-def]
    from tests.labeling_tool.seeding import add_tasks

    return int(add_tasks(context, people, name=f"load {os.getpid()}", frames=128))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument(
        "--postgres", help="URL of a PostgreSQL database; a cluster of its own without it"
    )
    parser.add_argument("--only", choices=("sqlite", "postgresql"), help="one of the two databases")
    options = parser.parse_args()
    figures: list[dict[str, object]] = []
    if options.only != "postgresql":
        figures.append(measure(options.people, options.seconds, None))
    if options.only != "sqlite":
        with postgres_url(options.postgres) as url:
            figures.append(measure(options.people, options.seconds, url))
    text = json.dumps(figures, indent=1)
    print(text)
    if options.only is None:
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(text + "\n")


@contextmanager
def postgres_url(given: str | None) -> Iterator[str]:
    """The database that was named, or an empty one in a cluster that is thrown away at the end."""
    from tests.labeling_tool.conftest import own_postgres

    if given:
        yield given
        return
    with own_postgres() as cluster:
        yield cluster.new_database()


if __name__ == "__main__":
    main()

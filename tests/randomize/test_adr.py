"""ADR on a player whose skill is known: it is perfect up to an edge and lost beyond it."""

from __future__ import annotations

import json

import pytest
from vidact.errors import CheckpointError, ConfigError
from vidact.randomize.adr import ADR, BoundaryTest, Decision
from vidact.randomize.config import ADRConfig
from vidact.randomize.parameters import Parameter, Suite

SUITE = Suite(
    name="toy",
    parameters={
        "light": Parameter(where="pixels", nominal=1.0, limits=(0.5, 2.0), scale="log"),
        "haze": Parameter(where="pixels", nominal=0.0, limits=(0.0, 0.5)),
    },
)
EDGES = {"light": (-0.35, 1.0), "haze": (0.0, 0.55)}  # lambda up to which the player sees


def adr_of(seed: int = 0) -> ADR:
    return ADR(SUITE, ADRConfig(samples=4), seed=seed)


def scores_of(test: BoundaryTest) -> list[float]:
    def sees(places: dict[str, float]) -> bool:
        return all(EDGES[name][0] <= at <= EDGES[name][1] for name, at in places.items())

    return [0.6 if sees(places) else 0.1 for places in test.places]


def run(adr: ADR, tests: int) -> list[Decision]:
    decisions = []
    for _ in range(tests):
        test = adr.next_test()
        decision = adr.record(test, scores_of(test), nominal=[0.6], idle=[0.2])
        decisions += [decision] if decision else []
    return decisions


def test_ranges_grow_to_the_edge_of_what_the_player_sees_and_no_further() -> None:
    adr = adr_of()
    run(adr, 300)
    (low, high), (_, haze) = adr.ranges.bounds["light"], adr.ranges.bounds["haze"]
    assert high == 1.0
    assert low in (-0.3, -0.4)  # the last place where it sees, or the step beyond that fails there
    assert haze in (0.5, 0.6)
    assert run(adr, 100)[-1].nats == pytest.approx(adr.nats, abs=1e-6)


def test_all_boundaries_advance_at_the_same_time() -> None:
    decisions = run(adr_of(), 30)
    assert {(one.parameter, one.side) for one in decisions if one.outcome == "widened"} == {
        ("light", "low"),
        ("light", "high"),
        ("haze", "high"),
    }


def test_a_test_puts_its_boundary_into_every_clip_and_draws_the_rest() -> None:
    adr = adr_of()
    run(adr, 100)
    test = adr.next_test()
    at = adr.ranges.at(test.boundary)
    assert {places[test.boundary.parameter] for places in test.places} == {at}
    other = next(name for name in SUITE.parameters if name != test.boundary.parameter)
    assert len({places[other] for places in test.places}) == len(test.places)


def test_too_few_samples_wait_for_more() -> None:
    adr = adr_of()
    test = adr.next_test()
    assert adr.record(test, [0.6] * 3, nominal=[0.6], idle=[0.0]) is None
    assert adr.buffers[test.boundary.name] == [0.6] * 3
    while (again := adr.next_test()).boundary != test.boundary:
        adr.record(again, [], nominal=[], idle=[])
    decision = adr.record(again, [0.6])
    assert decision is not None
    assert (decision.samples, decision.outcome) == (4, "widened")


def test_nothing_is_decided_before_the_model_can_do_anything() -> None:
    adr = adr_of()
    test = adr.next_test()
    # As good at its boundary as elsewhere, because it is no better than saying nothing.
    assert adr.record(test, [0.25] * 4, nominal=[0.25], idle=[0.2]) is None
    assert "nominal score 0.25, saying nothing 0.20" in adr.waits
    assert not adr.buffers[test.boundary.name]


def test_what_counts_as_nominal_is_what_the_model_does_now() -> None:
    adr = adr_of()
    for score in (0.2, 0.8):
        for _ in range(4):
            adr.record(adr.next_test(), [], nominal=[score] * 4, idle=[0.0])
    assert adr.nominal == pytest.approx(0.8)


def test_a_decision_says_what_it_rests_on() -> None:
    adr = adr_of()
    test = adr.next_test()
    decision = adr.record(test, [0.5, 0.7, 0.5, 0.7], nominal=[0.6], idle=[0.0])
    assert decision is not None
    row = json.loads(json.dumps(decision.to_dict()))
    assert (row["samples"], row["score"], row["nominal"]) == (4, 0.6, 0.6)
    assert row["interval"] == pytest.approx([0.6 - 0.113161, 0.6 + 0.113161], abs=1e-5)
    assert (row["from"], abs(row["to"]), row["outcome"]) == (0.0, 0.1, "widened")


def test_a_run_that_resumes_goes_on_as_one_that_never_stopped() -> None:
    through, stopped = adr_of(7), adr_of(7)
    whole = run(through, 90)
    first = run(stopped, 41)
    resumed = adr_of(7)
    resumed.load_state_dict(json.loads(json.dumps(stopped.state_dict())))
    assert [*first, *run(resumed, 49)] == whole
    assert resumed.state_dict() == through.state_dict()
    assert resumed.draw(12, 3) == through.draw(12, 3)
    assert adr_of(8).next_test() != adr_of(7).next_test()


def test_a_state_that_is_not_whole_or_of_another_suite_is_refused() -> None:
    adr = adr_of()
    state = adr.state_dict()
    with pytest.raises(CheckpointError, match="lacks ranges"):
        adr.load_state_dict({name: part for name, part in state.items() if name != "ranges"})
    with pytest.raises(CheckpointError, match="of other parameters"):
        adr.load_state_dict({**state, "suite": "0"})


def test_thresholds_must_leave_room_between_them() -> None:
    with pytest.raises(ConfigError, match=r"narrow must be below widen, which is 0\.5, got 0\.75"):
        ADRConfig(widen=0.5)

"""The randomization of one training: which clips are seen how, which fresh play is ordered, and the
tests of boundaries between the steps.

Training goes in rounds of some steps. Within a round nothing changes, so that clips can be prepared
ahead in threads; at its end the fresh play that was ordered a round ago comes into the reservoir, a
boundary is tested, and the next play is ordered, which is made beside the next round. All of it is
a function of the seed, the step and the weights: a killed run goes on exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...datasets.actions.spec import ActionSpec
from ...datasets.recordings.recording import Recording
from ...datasets.video import appearance
from ...errors import CheckpointError, ConfigError
from ...games.doom.look import CONTROL, RENDER
from ...networks.checkpoints import Checkpoint
from ...progress import log
from ...randomize.adr import ADR, BoundaryTest, Decision
from ...randomize.parameters import Suite, Where, load_suite, require_known
from ...randomize.ranges import Ranges
from ...settings import to_plain
from ...training.chance import Use, chance
from ..config import TrainIDMConfig, share_of
from ..play.frame_cache import Track
from ..play.look import ClipLook
from ..play.training_play import TrainingPlay
from .exam import Answer, Exam, Question
from .fresh import FOLDER, FreshPlay, can_be_simulated, name_of

FRESH_SHARE = 0.5  # of the clips: the rest keeps the breadth of all the play there is
RESERVOIR = 16  # recordings that are held; 1.6 GB at 128x128
ORDERED = 2  # recordings a round
TEST_GROUPS = 4  # recordings that are drawn anew for a test: the game begins so many times
NOMINAL_CLIPS = 4  # a test: their running mean is over many tests
LOOKS, FRESH, GROUPS = 1, 2, 3  # streams of chance


def known_parameters() -> dict[Where, dict[str, tuple[float, float]]]:
    """What is implemented, by place, with the values that are allowed."""
    return {
        "render": RENDER,
        "control": CONTROL,
        "pixels": appearance.PIXELS,
        "capture": appearance.CAPTURE,
    }


def usable(
    suite: Suite, play: Sequence[Sequence[Recording]], spec: ActionSpec
) -> tuple[Suite, list[str]]:
    """The part of a suite that this play lets be varied, and for what is left out the reason.

    Args:
        play: recordings to train on, to test on …: each of them must have what is needed.

    Raises ConfigError where nothing is left, or where nobody implements a parameter.
    """
    require_known(suite, known_parameters())
    left = frozenset(suite.parameters)
    said = []
    by_game = suite.acting("render", "control")
    if by_game and not all(can_be_simulated(some) for some in play):
        left -= by_game
        said.append(
            f"{', '.join(sorted(by_game))}: the engine that is installed cannot simulate this play "
            "again (`vidact record doom` makes such)"
        )
    between = appearance.BETWEEN_TICKS & left
    if between and any(one.phases(spec) < 2 for some in play for one in some):
        left -= between
        said.append(
            f"{', '.join(sorted(between))}: there are no frames between the ticks of this play"
        )
    if not left:
        raise ConfigError(f"suite {suite.name!r}: nothing of it can be varied: {'; '.join(said)}")
    return suite.only(left), said


class Randomization:
    """See the module's head. A `Variation` of clips, and a part of snapshots.

    Args:
        adr: the ranges, and what moves them.
        moves: whether boundaries are tested; otherwise the ranges stay.
        spec: of the labels.
        train, val: recordings.
        folder: of the run.
        seed: of all draws.
        processes: recorders beside the training.
    """

    def __init__(
        self,
        adr: ADR,
        *,
        moves: bool,
        spec: ActionSpec,
        train: Sequence[Recording],
        val: Sequence[Recording],
        folder: Path,
        seed: int,
        processes: int,
    ):
        self.adr, self.moves, self.seed = adr, moves, seed
        self.by_game = adr.suite.acting("render", "control")
        self._sources = can_be_simulated(train) if self.by_game else []
        self._stages = can_be_simulated(val) if self.by_game else []
        sources = [*self._sources, *self._stages]
        self.fresh = FreshPlay(folder / FOLDER, spec, sources, processes) if sources else None
        self.reservoir: dict[str, dict[str, Any]] = {}
        self.ordered: dict[str, dict[str, Any]] = {}
        self._made = 0
        self._tracks: dict[str, list[Track]] = {}
        self._test: BoundaryTest | None = None
        self._staged: dict[str, dict[str, Any]] = {}

    @property
    def every(self) -> int:
        """Steps a round; 0 where nothing ever changes."""
        return self.adr.config.test_every if self.moves or self.fresh else 0

    @property
    def core_s(self) -> float:
        """Processor seconds of the recorders."""
        return self.fresh.recorders.core_s if self.fresh else 0.0

    # ---- clips for training

    def clips(self, number: int, count: int) -> list[tuple[Track | None, ClipLook]]:
        """See `Variation`."""
        generator = self._chance(LOOKS, number)
        chosen, which = generator.random(count), generator.random(count)
        tracks = [track for some in self._tracks.values() for track in some]
        out: list[tuple[Track | None, ClipLook]] = []
        for i, places in enumerate(self.adr.draw(number, count)):
            fresh = bool(tracks) and chosen[i] < FRESH_SHARE
            track = tracks[int(which[i] * len(tracks))] if fresh else None
            out.append((track, self._look(places, number, i)))
        return out

    def _look(self, places: Mapping[str, float], number: int, index: int) -> ClipLook:
        """What of a draw is seen in the clip itself; the rest is in its play."""
        of_clip = {name: at for name, at in places.items() if name not in self.by_game}
        return ClipLook(self.adr.suite.values(of_clip), (self.seed, number, index))

    # ---- between rounds

    def begin(self) -> None:
        """Order what is missing: at the start, or after a resume."""
        if self.fresh is None:
            return
        # Before anything is ordered: what is being made is half-written, too.
        self.fresh.keep([*self.reservoir, *self.ordered])
        if not self._made:  # nothing was ever ordered
            self._order_fresh()
        self.fresh.order({**self.reservoir, **self.ordered})
        self._order_test()
        for name, tracks in zip(
            self.reservoir, self.fresh.tracks(list(self.reservoir)), strict=True
        ):
            self._tracks[name] = tracks

    def end_round(self, exam: Callable[[], AbstractContextManager[Exam]]) -> Decision | None:
        """Take in fresh play, test a boundary and order what is next.

        `exam`: a context manager that gives an `Exam` of the weights as they are.
        """
        if self.fresh is not None:
            self._take_in()
        decision = None
        if self.moves:
            with exam() as one:
                decision = self.test(one)
        if self.fresh is not None:
            self._order_fresh()
            self._order_test()
        return decision

    def test(self, exam: Exam) -> Decision | None:
        """Test the next boundary with an IDM."""
        if self._test is None:
            self._order_test()
        test = self._test or self.adr.next_test()
        answers = self._answers(exam, test.number, test.places, self._staged)
        nominal = self._answers(exam, 2**32 + test.number, [{}] * NOMINAL_CLIPS, {})
        self._test, self._staged = None, {}
        return self.adr.record(
            test,
            [answer.score for answer in answers],
            nominal=[answer.score for answer in nominal],
            idle=[answer.idle for answer in nominal],
        )

    def ask(self, exam: Exam, number: int, places: Sequence[Mapping[str, float]]) -> list[Answer]:
        """An IDM's answers about the clips of a number, each at its lambdas."""
        staged = self._stage(f"ask-{number:06d}", number, places)
        return self._answers(exam, number, places, staged)

    def _answers(
        self,
        exam: Exam,
        number: int,
        places: Sequence[Mapping[str, float]],
        staged: Mapping[str, Mapping[str, Any]],
    ) -> list[Answer]:
        """`staged`: the play that the game draws for them, each for an equal part of the clips."""
        clips, names = exam.places(number, len(places)), list(staged)
        tracks: list[list[Track]] = []
        if self.fresh is not None and names:
            tracks = self.fresh.tracks(names)
            for i in range(len(clips)):
                clips[i] = exam.place_in(tracks[i * len(names) // len(clips)][0], number, i)
        answers = exam.ask(
            [
                # Far from those of training, whose numbers are batches.
                Question(track, start, self._look(places[i], 2**40 + number, i))
                for i, (track, start) in enumerate(clips)
            ]
        )
        if self.fresh is not None and names:
            self.fresh.drop(names, [track for some in tracks for track in some])
        return answers

    def _take_in(self) -> None:
        assert self.fresh is not None
        names = list(self.ordered)
        for name, tracks in zip(names, self.fresh.tracks(names), strict=True):
            self._tracks[name] = tracks
            self.reservoir[name] = self.ordered.pop(name)
        for name in list(self.reservoir)[:-RESERVOIR]:
            self.fresh.drop([name], self._tracks.pop(name))
            del self.reservoir[name]

    def _order_fresh(self) -> None:
        assert self.fresh is not None
        for _ in range(ORDERED):
            generator = self._chance(FRESH, self._made)
            source = self._sources[int(generator.integers(len(self._sources)))]
            places = self.adr.ranges.draw(generator)
            at = {name: places[name] for name in sorted(self.by_game)}
            if any(at.values()):  # else it is as recorded: that play is there already
                one = self._made_of(source, at)
                self.ordered[name_of(f"play-{self._made:06d}", one)] = one
            self._made += 1
        self.fresh.order(self.ordered)

    def _order_test(self) -> None:
        """Draw the next test; what of it the game must draw is made beside the training."""
        if self.moves:
            self._test = test = self.adr.next_test()
            self._staged = self._stage(f"test-{test.number:06d}", test.number, test.places)

    def _stage(
        self, name: str, number: int, places: Sequence[Mapping[str, float]]
    ) -> dict[str, dict[str, Any]]:
        """Order the play that the game must draw for clips at these lambdas; nothing where they
        are all as recorded: that play is there already.
        """
        at = [{key: one.get(key, 0.0) for key in sorted(self.by_game)} for one in places]
        if self.fresh is None or not any(any(one.values()) for one in at):
            return {}
        generator, staged, groups = self._chance(GROUPS, number), {}, min(TEST_GROUPS, len(at))
        again = groups > len(self._stages)  # otherwise each is of another recording
        chosen = generator.choice(len(self._stages), groups, replace=again)
        for group, index in enumerate(chosen):
            # The first clip's draw stands for all of its group.
            first = -(-group * len(at) // groups)
            one = self._made_of(self._stages[index], at[first])
            staged[name_of(f"{name}-{group}", one)] = one
        self.fresh.order(staged)
        return staged

    def _made_of(self, source: Recording, at: Mapping[str, float]) -> dict[str, Any]:
        """A recording to make. Nothing is said of what is at nominal: that stays as recorded."""
        values = self.adr.suite.values({name: place for name, place in at.items() if place})
        return {"source": source.sha256, "values": values}

    # ---- state

    def state_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "adr": self.adr.state_dict(),
            "reservoir": dict(self.reservoir),
            "ordered": dict(self.ordered),
            "made": self._made,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state; `begin` comes after it. Raises CheckpointError."""
        if missing := sorted(self.state_dict().keys() - state.keys()):
            raise CheckpointError(f"the state of randomization lacks {', '.join(missing)}")
        self.adr.load_state_dict(state["adr"])
        self.reservoir, self.ordered = dict(state["reservoir"]), dict(state["ordered"])
        self._made = int(state["made"])

    def entry(self) -> dict[str, Any]:
        """What a checkpoint's config says of it."""
        return {
            "suite": to_plain(self.adr.suite),
            "moves": self.moves,
            "adr": self.adr.state_dict(),
            "nats": round(self.adr.nats, 6),
        }

    def close(self) -> None:
        """Stop the recorders."""
        if self.fresh is not None:
            self.fresh.close()

    def _chance(self, stream: int, number: int) -> np.random.Generator:
        return chance(Use.RANDOMIZATION, self.seed, number, stream)


def randomization_of(
    config: TrainIDMConfig, play: TrainingPlay, first: Checkpoint | None
) -> Randomization | None:
    """What the settings of a training ask for. Raises ConfigError."""
    if config.randomize == "none":
        return None
    suite, left_out = usable(
        load_suite(config.suite or play.spec.name), (play.train, play.val), play.spec
    )
    for line in left_out:
        log(f"Not randomized: {line}")
    share = share_of(config.randomize)
    ranges = Ranges.of_share(suite, share or 0.0)
    if share is None and (before := ranges_of(first, suite)) is not None:
        ranges = before
        log(f"Ranges go on from {config.init}: {ranges.said()}")
    return Randomization(
        ADR(suite, config.adr, seed=config.seed, ranges=ranges),
        moves=share is None,
        spec=play.spec,
        train=play.train,
        val=play.val,
        folder=Path(config.out),
        seed=config.seed,
        processes=config.recorders,
    )


def ranges_of(checkpoint: Checkpoint | None, suite: Suite) -> Ranges | None:
    """The ranges that an IDM was trained to, where they are of the same parameters."""
    if checkpoint is None or "randomize" not in checkpoint.config:
        return None
    with checkpoint.config_read():
        state = checkpoint.config["randomize"]["adr"]
        if state["suite"] != suite.sha256:
            return None
        return Ranges.of_plain(suite, state["ranges"])


@contextmanager
def stopped(randomization: Randomization | None) -> Iterator[None]:
    """Stops the recorders at the end of the block."""
    try:
        yield
    finally:
        if randomization is not None:
            randomization.close()

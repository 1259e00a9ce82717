"""Random attacks on a toy pipeline, each round compared with a run from scratch."""

import random
from collections import Counter
from pathlib import Path

import pytest

from susx.core.errors import InputError
from tests.artifact_world import Attacks, Killed, World
from tests.long import long

ROUNDS = 20
FEW, MORE = range(2), range(2, 12)
"""Seeds; the rounds of the few hold every kind of event."""
TRIES = 4  # a run after an attack may end in an error that says to run again


def seeds(few: range, more: range) -> pytest.MarkDecorator:
    """Some seeds always, and others where tests may take long."""
    return pytest.mark.parametrize("seed", [*few, *map(long, more)])


@seeds(FEW, MORE)
def test_every_round_ends_as_a_run_from_scratch(seed: int, tmp_path: Path) -> None:
    world = World(tmp_path / "world").write_sources()
    world.run()
    attacks = Attacks(world, random.Random(seed))
    for _ in range(ROUNDS):
        attacks.said.clear()
        for _ in range(attacks.chance.randint(1, 3)):
            attacks.strike()
        errors = []
        for _ in range(TRIES):
            try:
                world.run()
                break
            except InputError as error:
                errors.append(str(error))
        else:
            raise AssertionError((attacks.said, errors))
        assert world.result == world.from_scratch(tmp_path / "scratch"), attacks.said
        assert world.planned().stale == {}, attacks.said


@seeds(range(1), range(1, 4))
def test_two_projects_with_one_store_never_meet(seed: int, tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    worlds = [World(tmp_path / name, store).write_sources() for name in ("a", "b")]
    chance = random.Random(seed)
    attacks = [Attacks(world, chance) for world in worlds]
    ran: Counter[str] = Counter()
    for _ in range(ROUNDS):
        who = chance.randrange(2)
        attacks[who].strike()
        for world in worlds:
            for _ in range(TRIES):
                try:
                    world.run()
                    break
                except InputError:
                    continue
            ran.update(world.ran)
            assert world.result == world.from_scratch(tmp_path / "scratch"), attacks[who].said
    assert ran["embed_images"] < 2 * ROUNDS


def test_kinds_of_attack_that_a_modification_time_hides_are_noticed(tmp_path: Path) -> None:
    """The harness itself: what it does would fool a pipeline that looks at times."""
    world = World(tmp_path / "world").write_sources()
    world.run()
    attacks = Attacks(world, random.Random(0))
    for strike in (attacks.replace, attacks.same_stamp, attacks.add_image):
        before = world.result
        for _ in range(20):
            strike()
            if world.planned().stale:
                break
        assert world.planned().stale
        with pytest.raises(Killed):
            world.run(failing="evaluate")
        assert world.result == before
        world.run()
        assert world.result != before

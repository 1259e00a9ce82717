"""The flag renderer: shapes, determinism, distinct flags."""

import numpy as np
import pytest

from demo.flags import COLOURS, COUNTRIES, random_spec
from demo.render import DOMAINS, SIZE, draw_flag, render


def image(country: int, domain: str, seed: int) -> np.ndarray:
    return render(COUNTRIES[country].spec, domain, np.random.default_rng(seed))


@pytest.mark.parametrize("domain", DOMAINS)
def test_image_is_rgb_uint8_of_the_model_size(domain: str) -> None:
    picture = image(0, domain, 0)
    assert picture.shape == (SIZE, SIZE, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 5


@pytest.mark.parametrize("domain", DOMAINS)
def test_same_seed_same_bytes_and_other_seeds_differ(domain: str) -> None:
    assert image(3, domain, 1).tobytes() == image(3, domain, 1).tobytes()
    assert len({image(3, domain, seed).tobytes() for seed in range(20)}) == 20


def test_domains_differ() -> None:
    assert image(3, "web", 1).tobytes() != image(3, "photo", 1).tobytes()


def test_cached_drawing_changes_nothing() -> None:
    spec = COUNTRIES[7].spec
    plain, cached = (render(spec, "photo", np.random.default_rng(5), cached=c) for c in (0, 1))
    assert plain.tobytes() == cached.tobytes()


def test_unknown_domain_lists_the_choices() -> None:
    with pytest.raises(ValueError, match="web, photo"):
        image(0, "sketch", 0)


def test_every_country_is_drawn_differently() -> None:
    assert len(COUNTRIES) == 50
    assert len({country.name for country in COUNTRIES}) == 50
    assert len({draw_flag(country.spec).tobytes() for country in COUNTRIES}) == 50


def test_class_order_is_not_the_folder_order() -> None:
    names = [country.name for country in COUNTRIES]
    assert names != sorted(names)


def test_invented_flags_are_drawable_and_use_known_colours() -> None:
    rng = np.random.default_rng(0)
    specs = [random_spec(rng) for _ in range(1500)]
    assert len(set(specs)) > 1200
    for spec in specs:
        assert int(draw_flag(spec).max()) < len(COLOURS)
        assert set(spec.base.colours) <= set(COLOURS)


def test_many_invented_flags_render_in_both_domains() -> None:
    rng = np.random.default_rng(1)
    for number in range(400):
        picture = render(random_spec(rng), DOMAINS[number % 2], rng)
        assert picture.shape == (SIZE, SIZE, 3)

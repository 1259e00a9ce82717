"""The documentation as a site, how the software is cited, and the messages that a page explains."""

import importlib
import os
import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from mkdocs.exceptions import PluginError

import susx
from docs.formulas import displayed, mathml, on_page_content
from susx.config import parse_config
from susx.config.encoders import EncoderSettings
from susx.core.errors import InputError
from susx.datasets.manifest import image_manifest
from susx.encoders import load_encoder
from susx.evaluation.intervals import accuracy_interval
from susx.manifests.classes import class_manifest, read_class_list
from tests.pages import PAGES, ROOT, blocks, formulas, text_of

TUTORIAL = "docs/first_classifier.md"
FETCHED = {"script": "src", "img": "src", "iframe": "src", "link": "href"}


class Page(HTMLParser):
    """Identifiers of a page, what a browser fetches for it, and where it links to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.ids |= {given["id"]} if "id" in given else set()
        if FETCHED.get(tag) in given and given.get("rel") != "canonical":
            self.fetched.append(given[FETCHED[tag]])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built without a warning."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.long
def test_the_pages_need_no_network(site: Path) -> None:
    pages = {path: Page(path) for path in site.rglob("*.html")}
    assert len(pages) > 20
    fetched = {(path.name, url) for path, page in pages.items() for url in page.fetched}
    assert [found for found in fetched if re.match(r"(\w+:)?//", found[1])] == []
    styles = "".join(path.read_text("utf-8") for path in site.rglob("*.css"))
    assert not re.search(r"url\(\s*[\"']?(https?:)?//", styles)


@pytest.mark.long
def test_links_lead_to_files_of_the_site(site: Path) -> None:
    for path in site.rglob("*.html"):
        if path.name == "404.html":
            continue
        for link in Page(path).links:
            target, _, place = link.partition("#")
            if re.match(r"\w+:", link) or not target:
                continue
            found = path.parent / target
            assert found.exists(), (path.name, link)
            assert not place or place in Page(found).ids, (path.name, link)


@pytest.mark.long
def test_formulas_are_mathml_and_nothing_of_latex_is_left(site: Path) -> None:
    for page in PAGES[1:]:
        html = (site / Path(page).with_suffix(".html").name).read_text("utf-8")
        text = re.sub(r"<pre>.*?</pre>", "", html, flags=re.DOTALL)
        assert "$<code>" not in text and "</code>$" not in text, page
        assert html.count("<math") == len(formulas(page)), page


@pytest.mark.parametrize("page", PAGES)
def test_formulas_can_be_read(page: str) -> None:
    for formula in formulas(page):
        assert mathml(formula).startswith("<math")


def test_a_formula_becomes_mathml_where_it_stands() -> None:
    html = on_page_content("<td>for $<code>i &lt; n</code>$, <code>cost</code> in $</td>")
    math = '<math xmlns="http://www.w3.org/1998/Math/MathML">'
    assert html == (
        f"<td>for {math}<mi>i</mi><mo>&lt;</mo><mi>n</mi></math>, <code>cost</code> in $</td>"
    )
    assert 'display="block"' in displayed("x")
    with pytest.raises(PluginError, match=r"formula .*nonsense"):
        mathml(r"\nonsense{x}")


@pytest.mark.long
def test_files_beside_the_docs_are_part_of_the_site(site: Path) -> None:
    card = (site / "repository/demo/model/index.html").read_text("utf-8")
    assert "Tiny CLIP of the flag demo world" in card
    assert (site / "repository/CITATION.cff").read_bytes() == (ROOT / "CITATION.cff").read_bytes()
    assert not list(site.rglob("*.py"))


@pytest.mark.long
@pytest.mark.parametrize(
    "name",
    [
        *(f"susx.{name}" for name in susx.__all__),
        *("susx.classifier.classifier.Classifier.predict", "susx.core.errors.InputError"),
        *("susx.methods.base.Method.fit", "susx.encoders.protocol.Encoder.encode_images"),
    ],
)
def test_the_reference_has_what_programs_use(site: Path, name: str) -> None:
    assert name in Page(site / "api.html").ids


def test_the_reference_names_objects_that_exist() -> None:
    text = text_of("docs/api.md")
    for name, members in re.findall(r"^::: ([\w.]+)(?:\n.*\n +members: \[(.*)\])?", text, re.M):
        path, _, last = name.rpartition(".")
        if members:
            module = importlib.import_module(name)
            assert all(hasattr(module, member) for member in members.split(", ")), name
        else:
            assert hasattr(importlib.import_module(path), last), name


def test_the_reference_says_what_is_public() -> None:
    public = text_of("docs/api.md").split("## Public\n")[1].split("\n## ")[0]
    named = re.findall(r"^::: susx\.(\w+)$", public, re.M)
    assert sorted(named, key=str.lower) == sorted(susx.__all__, key=str.lower)
    assert "These six names" in public and len(susx.__all__) == 6
    assert all(getattr(susx, name) for name in susx.__all__)
    with pytest.raises(AttributeError, match="no attribute 'evaluate'"):
        _ = susx.evaluate


def test_the_software_can_be_cited() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert (cited["cff-version"], cited["type"]) == ("1.2.0", "software")
    assert cited["authors"] == [{"name": "The susx developers"}]
    assert cited["version"] == project["version"] == susx.__version__
    assert cited["license"] == project["license"]
    (paper,) = cited["references"]
    assert {"type", "title", "authors"} <= set(paper)
    assert [author["family-names"] for author in paper["authors"]] == [
        "Udandarao", "Gupta", "Albanie"
    ]  # fmt: skip
    assert paper["year"] == 2023
    assert paper["url"].endswith("2211.16198")


def test_the_shell_can_complete_the_command() -> None:
    command = str(Path(sys.executable).with_name("susx"))
    shell = ["bash", "-c", f'"{command}" --show-completion; true']
    shown = subprocess.run(shell, capture_output=True, text=True).stdout
    assert "complete -o default -F _susx_completion susx" in shown
    asked = {"_SUSX_COMPLETE": "complete_bash", "COMP_WORDS": "susx cla", "COMP_CWORD": "1"}
    done = subprocess.run([command], env=os.environ | asked, capture_output=True, text=True)
    assert done.stdout.split() == ["classify"]


@pytest.mark.parametrize(("photos", "half"), [(100, 8), (20, 18)])
def test_intervals_are_as_wide_as_the_tutorial_says(photos: int, half: int) -> None:
    low, high = accuracy_interval(8 * photos // 10, photos)
    assert (high - low) / 2 == pytest.approx(half, abs=1)
    assert "100 test photos, of which 80 are right, it is about 8 points" in " ".join(
        text_of(TUTORIAL).split()
    )


def explained() -> list[str]:
    """Messages in the tutorial's table of errors."""
    return re.findall(r"^\| `(.+)` \| .+ \|$", text_of(TUTORIAL), re.MULTILINE)


def failing(tmp_path: Path) -> list[object]:
    """Mistakes of a newcomer, as calls that fail."""
    (file,) = blocks(TUTORIAL, "yaml")
    config, misspelt = yaml.safe_load(file), yaml.safe_load(file)
    misspelt["supports"]["lc-photo"]["pool"] = "achive"
    names = tmp_path / "my/classes.txt"
    (tmp_path / "my/test/Main Coon").mkdir(parents=True)
    names.write_text("Maine Coon\nSphynx\nSphynx\n", "utf-8")
    classes, key = class_manifest(["Maine Coon"]), "config.yaml: datasets.pets.images.test"
    settings = EncoderSettings.model_validate(config["encoders"]["clip-vit-base-patch32"])
    return [
        lambda: parse_config({**config, "evaluation": {"metods": ["tip-x"]}}),
        lambda: parse_config(misspelt),
        lambda: class_manifest(read_class_list("my/classes.txt"), "my/classes.txt"),
        lambda: image_manifest(Path("my/test"), classes, key, 1),
        lambda: load_encoder(settings),
    ]


@pytest.mark.parametrize("number", range(5))
def test_a_mistake_has_the_message_that_the_tutorial_explains(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        failing(tmp_path)[number]()
    assert [message for message in explained() if message in str(caught.value)]

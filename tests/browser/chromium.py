"""Chromium, driven by selenium, without a network."""

import base64
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webelement import WebElement

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
)
NO_HOST = "--host-resolver-rules=MAP * ~NOTFOUND"
HEIGHT = 900

COLOURS = """
const found = new Set();
for (const element of document.body.querySelectorAll("*")) {
  const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  if (!own || !element.checkVisibility()) continue;
  const style = getComputedStyle(element);
  const colour = (e) => getComputedStyle(e).backgroundColor;
  const clear = (e) => e.parentElement && colour(e) === "rgba(0, 0, 0, 0)";
  let behind = element;
  while (clear(behind)) behind = behind.parentElement;
  const ink = element instanceof SVGElement ? style.fill : style.color;
  found.add([ink, colour(behind), element.tagName].join("|"));
}
return [...found];
"""

STAND_STILL = """
const [element, done] = arguments;
let before = null;
const look = () => {
  element.scrollIntoView({ block: "center" });
  const { top } = element.getBoundingClientRect();
  if (top === before) return done();
  before = top;
  requestAnimationFrame(() => requestAnimationFrame(look));
};
look();
"""


@dataclass
class Browser:
    """A browser, and what one asks it."""

    driver: webdriver.Chrome

    def open(self, path: Path, width: int = 1280, dark: bool = False) -> None:
        """Load a page in a window of some width."""
        self.driver.get_log("browser")
        self.resize(width)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", media="", features=[scheme])
        self.driver.get(path.resolve().as_uri())

    def resize(self, width: int, height: int = HEIGHT) -> None:
        """Set the size of the window's inside."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.command("Emulation.setDeviceMetricsOverride", **size)

    def command(self, name: str, **arguments: Any) -> Any:
        """A command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, arguments)

    def run(self, script: str, *arguments: Any) -> Any:
        """Value of a script."""
        return self.driver.execute_script(script, *arguments)

    def all(self, selector: str) -> list[WebElement]:
        """Elements by a CSS selector."""
        return list(self.driver.find_elements("css selector", selector))

    def one(self, selector: str) -> WebElement:
        """The first element by a CSS selector."""
        return self.driver.find_element("css selector", selector)

    def click(self, element: WebElement) -> None:
        """Click an element once it stands still: what comes into view is laid out only then."""
        self.driver.execute_async_script(STAND_STILL, element)
        element.click()

    def press(self, key: str) -> None:
        """Press a key on whatever has the focus."""
        self.driver.switch_to.active_element.send_keys(key)

    @property
    def focused(self) -> WebElement:
        """The element that has the focus."""
        return self.driver.switch_to.active_element

    def messages(self) -> list[str]:
        """What stands in the console, from the last call on."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def contrasts(self) -> Iterator[tuple[float, str]]:
        """Contrast of every pair of colours of text and what is behind it, with where it is."""
        for entry in self.run(COLOURS):
            ink, paper, tag = entry.split("|")
            yield contrast(ink, paper), f"{tag}: {ink} on {paper}"

    def pdf(self) -> bytes:
        """The page as it is printed."""
        return base64.b64decode(self.command("Page.printToPDF", preferCSSPageSize=True)["data"])


def start(folder: Path, reached: str = "") -> Browser:
    """Start Chromium with a profile of its own, which reaches no host, or only one."""
    hosts = f"{NO_HOST}, EXCLUDE {reached}" if reached else NO_HOST
    options = Options()
    for argument in (*ARGUMENTS, hosts, f"--user-data-dir={folder}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return Browser(webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver"))))


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two opaque CSS colours, as WCAG 2 defines it."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance of an opaque CSS colour, as WCAG 2 defines it."""
    red, green, blue = (float(part) / 255 for part in re.findall(r"[\d.]+", colour)[:3])
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)
    ]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

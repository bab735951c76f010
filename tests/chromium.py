"""A headless Chromium for tests and benchmarks; Debian's `chromium` and `chromium-driver`, nothing downloaded."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = "" if CHROMIUM and DRIVER else "no chromium and chromedriver here: apt-get install chromium chromium-driver"
_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--hide-scrollbars",
    "--disable-dev-shm-usage",
    "--force-color-profile=srgb",
    "--enable-precise-memory-info",
]


@contextmanager
def browser(width: int = 1280, height: int = 800) -> Iterator[object]:
    """A Selenium driver whose log of network events says what a page asked for."""
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    os.environ["SE_OFFLINE"] = "true"  # Selenium's own manager looks nothing up
    with tempfile.TemporaryDirectory(prefix="evonet-chromium-") as profile:
        options = ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in (*_FLAGS, f"--window-size={width},{height}", f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        driver = Chrome(options=options, service=ChromeService(DRIVER))
        try:
            driver.set_page_load_timeout(60)
            driver.set_script_timeout(60)
            size(driver, width, height)
            yield driver
        finally:
            driver.quit()


def size(driver, width: int, height: int) -> None:
    """Of what the page sees, in CSS pixels."""
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
    )


def open_page(driver, address: str) -> None:
    """Load afresh, even where only the part behind # differs, and wait until it has drawn."""
    driver.get("about:blank")
    driver.get(address)
    until(driver, "return document.documentElement.dataset.ready === '1'")
    settle(driver)


def until(driver, condition: str, seconds: float = 20.0) -> object:
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, seconds, poll_frequency=0.02).until(lambda d: d.execute_script(condition))


def settle(driver) -> None:
    """Two frames: what was asked for is drawn."""
    driver.execute_async_script(
        "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0)))"
    )


def go(driver, **state: object) -> None:
    """Change the part behind #, as a link of the page does."""
    driver.execute_script(
        "const s = new URLSearchParams(location.hash.slice(1)); for (const [k, v] of Object.entries(arguments[0])) "
        "s.set(k, v); location.hash = s.toString()",
        {name: str(value) for name, value in state.items()},
    )
    settle(driver)


def requests(driver) -> list[str]:
    """The addresses that were asked for since the last call."""
    import json

    found = []
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            found.append(message["params"]["request"]["url"])
    return found

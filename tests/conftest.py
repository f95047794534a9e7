"""What tests of several files are given."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from repro.claim import arms, nets, resolve
from repro.data import sets
from repro.data.known import KNOWN


@pytest.fixture
def change_set(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Make a known set another one for a test: `change_set("cifar10", shape=(3, 8, 8))`. What claims made of it, which
    is kept for a whole process, is forgotten before and after."""

    def forget() -> None:
        resolve._run.cache_clear()
        nets._CACHE.clear()
        arms._CACHE.clear()

    def change(kind: str, **what: Any) -> None:
        monkeypatch.setitem(KNOWN, kind, replace(KNOWN[kind], **what))
        forget()

    yield change
    forget()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache that has the digits packed."""
    folder = tmp_path_factory.mktemp("cache")
    sets.load("digits", cache=folder)
    return folder


@pytest.fixture(scope="module")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser; it is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine: pages are not looked at")
    with sync_api.sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = driver.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()

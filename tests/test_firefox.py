"""Live figures in Firefox, where there is one: Debian's speaks WebDriver BiDi itself, over a socket."""

import json
import os
import re
import shutil
import subprocess
from itertools import count

import pytest
import torch
import websocket
from conftest import FIVE, until

from ghr.references import WaveletDenoiser

HOME = "\ue011"  # as WebDriver writes the key

pytestmark = pytest.mark.browser


class Firefox:
    """A page of a running browser.

    Args:
        socket: where it listens, ws://...
    """

    def __init__(self, socket: str):
        self.ids = count(1)
        self.socket = websocket.create_connection(f"{socket}/session", timeout=120, suppress_origin=True)
        self.ask("session.new", capabilities={})
        self.context = self.ask("browsingContext.getTree")["contexts"][0]["context"]

    def ask(self, method: str, **params) -> dict:
        number = next(self.ids)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while (answer := json.loads(self.socket.recv())).get("id") != number:
            pass  # an event
        assert answer["type"] == "success", answer
        return answer["result"]

    def goto(self, address: str) -> None:
        self.ask("browsingContext.navigate", context=self.context, url=address, wait="complete")

    def tell(self, expression: str):
        """What an expression of the page is, by way of JSON."""
        text = f"JSON.stringify({expression}, (_, v) => ArrayBuffer.isView(v) ? [...v] : v)"
        target = {"context": self.context}
        answer = self.ask("script.evaluate", expression=text, target=target, awaitPromise=True)
        assert answer["type"] == "success", answer
        return json.loads(answer["result"].get("value", "null"))

    def press(self, *keys: str) -> None:
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        source = {"type": "key", "id": "keyboard", "actions": actions}
        self.ask("input.performActions", context=self.context, actions=[source])

    def click(self, figure: str, text: str) -> None:
        """The button of a figure with this text, by the mouse."""
        button = f"[...{figure}.querySelectorAll('button')].find(button => button.textContent === '{text}')"
        self.tell(f"{button}.scrollIntoView({{ behavior: 'instant', block: 'center' }})")
        box = self.tell(f"{button}.getBoundingClientRect()")
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        move = {"type": "pointerMove", "x": round(x), "y": round(y)}
        actions = [move, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        source = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": actions}
        self.ask("input.performActions", context=self.context, actions=[source])


@pytest.fixture
def firefox(tmp_path):
    """A browser, in a profile of its own; a machine without one skips."""
    found = shutil.which("firefox-esr") or shutil.which("firefox")
    if not found:
        pytest.skip("Firefox is missing: apt-get install firefox-esr")
    profile = tmp_path / "profile"
    profile.mkdir()
    command = [found, "--headless", "--no-remote", "--remote-debugging-port=0", "--profile", str(profile)]
    log = tmp_path / "log.txt"
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=os.environ | {"HOME": str(tmp_path)})
    try:
        page = Firefox(until(lambda: re.search(r"BiDi listening on (ws://\S+)", log.read_text()))[1])
        yield page
        page.socket.close()
    finally:
        process.terminate()
        process.wait(60)


def test_live_figures_run_in_firefox(firefox, address, lab):
    """One that asks no network, and one that does, against torch: by mouse, then by keyboard."""
    firefox.goto(f"{address}book/figures.html?contour=2#fig-contour")
    plane, contour = (f"document.querySelector('[data-script={name}]')" for name in ("plane", "contour"))
    assert firefox.tell(f"{plane}.live.points()") == FIVE
    firefox.click(plane, "Add an image")
    assert len(firefox.tell(f"{plane}.live.points()")) == 6
    firefox.click(contour, "Draw such images")
    assert until(lambda: firefox.tell(f"{contour}.result"))["contour"] == "2"
    firefox.press(HOME)  # on the slider that has the focus
    found = until(lambda: firefox.tell(f"{contour}.result?.contour === '1' && {contour}.result"))
    x, y, answer, wavelets = (
        torch.tensor(found[name], dtype=torch.float32).view(1, 1, 32, 32) for name in ("x", "y", "answer", "wavelets")
    )
    assert (y - x).std().item() == pytest.approx(0.3, rel=0.1)
    torch.testing.assert_close(answer, lab.networks[4454, "A"](y), atol=1e-4, rtol=0)
    torch.testing.assert_close(wavelets, WaveletDenoiser()(y, 0.3), atol=1e-5, rtol=0)

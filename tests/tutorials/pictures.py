"""`make screenshots`, second part: the pictures of the tutorials, in docs/images/tutorials.

A reader follows each tutorial, and a camera takes the console at each picture of the page: in light
and dark, and as WebP, which is a third of the size of PNG.
"""

import base64
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.console.browsing import launch
from tests.support import passwords
from tests.tutorials.lessons import LESSONS, ROOT, AThousandCustomers, Django, FastApi
from tests.tutorials.serving import serving

IMAGES = ROOT / "docs" / "images" / "tutorials"
_SIZE = {"width": 1120, "height": 700}
_SCALE = 1.5
_PORT = 8080
"""The port that the pages name, so that the pictures show it too."""
_TIDY = "document.querySelectorAll('[data-toast]').forEach((message) => message.remove())"
"""Removes the messages that soon go away by themselves; they cover a part of the page."""
_QUALITY = 0.65
_CONVERT = """async ([png, quality]) => {
  const image = new Image();
  image.src = "data:image/png;base64," + png;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL("image/webp", quality).split(",")[1];
}"""


class Camera:
    """Takes pictures of a page, and stores them as WebP.

    Args:
        browser: A browser, which also converts them.
    """

    def __init__(self, browser: Browser) -> None:
        self._darkroom = browser.new_page()
        self.taken: set[str] = set()

    def take(self, name: str, page: Page) -> None:
        """Take a picture in light and dark."""
        page.evaluate(_TIDY)
        for mode in ("light", "dark"):
            page.emulate_media(color_scheme=mode, reduced_motion="reduce")
            png = page.screenshot(animations="disabled", caret="hide")
            asked = [base64.b64encode(png).decode(), _QUALITY]
            webp = base64.b64decode(self._darkroom.evaluate(_CONVERT, asked))
            (IMAGES / f"{name}-{mode}.webp").write_bytes(webp)
            self.taken.add(f"{name}-{mode}")
            print(f"{name}-{mode}: {len(webp):,} bytes", flush=True)
        page.emulate_media(color_scheme="light")


def main() -> None:
    """Take the pictures of all tutorials, or of those that the arguments name."""
    passwords.make_cheap()
    IMAGES.mkdir(exist_ok=True)
    AThousandCustomers.number = 1000
    FastApi.product_port, Django.product_port = 8000, 8001
    chosen = [lesson for lesson in LESSONS if lesson.page in sys.argv[1:] or not sys.argv[1:]]
    with sync_playwright() as playwright:
        browser = launch(playwright)
        camera = Camera(browser)
        for lesson in chosen:
            with tempfile.TemporaryDirectory() as folder, serving(Path(folder), _PORT) as server:
                options = {
                    "viewport": _SIZE,
                    "device_scale_factor": _SCALE,
                    "locale": "en-GB",
                    "timezone_id": "UTC",
                }
                lesson(server, browser, Path(folder), camera.take, **options).follow()
        browser.close()
    if len(chosen) == len(LESSONS):
        for path in IMAGES.glob("*.webp"):
            if path.stem not in camera.taken:
                path.unlink()


if __name__ == "__main__":
    main()

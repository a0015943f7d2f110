"""Draws the icons of an installed product from static/img/mark.svg: `python tests/browser/draw_icons.py`.

The "whole" ones have no corners of their own, since the device cuts them; what matters is in their middle.
"""

from __future__ import annotations

from chat_page import CHROMIUM, FLAGS, ROOT
from playwright.sync_api import sync_playwright

IMAGES = ROOT / "static" / "img"
SIZES = {"192": 192, "512": 512, "whole-180": 180, "whole-512": 512}

if __name__ == "__main__":
    mark = (IMAGES / "mark.svg").read_text(encoding="utf-8")
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS).new_page()
        for name, size in SIZES.items():
            page.set_viewport_size({"width": size, "height": size})
            drawn = mark.replace(' rx="8"', "") if name.startswith("whole") else mark
            page.set_content(f"<style>* {{ margin: 0; display: block; width: 100vw }}</style>{drawn}")
            page.screenshot(path=IMAGES / f"icon-{name}.png", omit_background=True)

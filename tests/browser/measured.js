// What is measured in a page; measured.py says why. Each gives the beginnings of the elements that fall short.
window.measured = (() => {
  const CONTROLS = ":is(a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0'])"
    + ":not(:disabled, [tabindex='-1'])";
  const root = document.documentElement;
  const name = (one) => one.outerHTML.slice(0, 160);
  const all = (what) => [...document.querySelectorAll(what)];
  const isThere = (one) => one.checkVisibility({visibilityProperty: true, contentVisibilityAuto: true});
  const isShown = (one) => isThere(one) && !one.closest(".unseen, .skip");
  // A link within a sentence is as high as the sentence.
  const isInText = (one) => one.matches("a") && getComputedStyle(one).display === "inline"
    && one.parentElement.textContent.trim() !== one.textContent.trim();
  const around = (one) => {
    const boxes = [one, ...(one.labels ?? [])].map((each) => each.getBoundingClientRect());
    const span = (from, to) => Math.max(...boxes.map((box) => box[to])) - Math.min(...boxes.map((box) => box[from]));
    return {width: span("left", "right"), height: span("top", "bottom")};
  };
  const tooWide = () => {
    if (root.scrollWidth <= root.clientWidth) return [];
    const out = all("body *").filter((one) => isThere(one) && one.getBoundingClientRect().right > root.clientWidth + 1);
    return [`${root.scrollWidth} px wide`, ...out.slice(0, 3).map(name)];
  };
  return {
    tooWide,
    tooSmall: () => all(CONTROLS)
      .filter((one) => isShown(one) && !isInText(one) && Math.min(...Object.values(around(one))) < 24).map(name),
    badlyFocused: () => all(CONTROLS).filter(isThere).flatMap((one) => {
      one.focus();
      if (document.activeElement !== one) return [`takes no focus: ${name(one)}`];
      const found = [];
      // What one writes into is shown by the edge of all that is around it.
      const style = getComputedStyle(one.matches("textarea") && one.closest(".composer") || one);
      if (style.outlineStyle === "none") found.push(`does not show it: ${name(one)}`);
      if (Number(style.opacity) === 0) found.push(`is invisible: ${name(one)}`);
      const box = one.getClientRects()[0];
      const middle = (from, size, most) => Math.max(0, Math.min(from + size / 2, most - 1));
      const there = document.elementFromPoint(middle(box.left, box.width, innerWidth), middle(box.top, box.height, innerHeight));
      const isFree = there && (one.contains(there) || there.contains(one) || [...(one.labels ?? [])].some((label) => label.contains(there)));
      return isFree ? found : [...found, `is hidden by ${there && name(there)}: ${name(one)}`];
    }),
    // As rules do that were meant for another page.
    fallenApart: () => [
      ...all("main .prose li").filter((one) => isShown(one) && getComputedStyle(one).display !== "list-item"),
      ...all("main label > *").filter((one) => isShown(one) && one.getBoundingClientRect().right > one.parentElement.getBoundingClientRect().right + 1),
    ].map(name),
    cutOff: () => {
      const apart = new CSSStyleSheet();
      apart.replaceSync("* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }"
        + " p { margin-block-end: 2em !important }");
      document.adoptedStyleSheets = [apart];
      const hides = (one) => ["hidden", "clip"].includes(getComputedStyle(one).overflowY) && one.scrollHeight > one.clientHeight + 2;
      const isNarrow = (one) => one.matches("button, .button, .quiet, .small, summary") && one.scrollWidth > one.clientWidth + 1;
      const texts = all("body *").filter((one) => isShown(one) && !one.closest("svg, math"));
      const found = [...texts.filter((one) => hides(one) || isNarrow(one)).map(name), ...tooWide()];
      document.adoptedStyleSheets = [];
      return found;
    },
  };
})();

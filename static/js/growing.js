// The text of a growing answer goes to its place straight: nothing in it is htmx's business, and this is the hottest path
// of the page. Whatever else a stream says is swapped by htmx.
{
  const SWAP = /<hx-partial hx-target="([^"]*)" hx-swap="(\S+) settle:0">([^]*?)<\/hx-partial>/g;
  const TEXT = /#a\d+-(?:answer|thinking)/;
  const WAYS = {
    beforeend: (at, html) => at.insertAdjacentHTML("beforeend", html),
    innerHTML: (at, html) => { at.innerHTML = html; },
    outerHTML: (at, html) => {
      const place = at.contains(document.activeElement) && at.parentElement;
      at.outerHTML = html;
      if (place) place.lastElementChild.querySelector("[tabindex]")?.focus({preventScroll: true});
    },
  };
  // Finished blocks stand in groups, and those that are whole have nothing to do with what comes after them (`contain`):
  // or each frame would look over all that has been written, and a long answer would cost more than a short one.
  const BLOCKS = 40;

  const put = (target, how, html) => {
    const [id] = target.match(TEXT);
    const done = document.querySelector(id);
    if (!done) return;
    let group = done.lastElementChild?.matches(".part") ? done.lastElementChild : done;
    if (target === id && group.childElementCount >= BLOCKS) {
      group.lastElementChild.classList.add("ends");
      if (group !== done) group.className = "part whole";
      group = document.createElement("div");
      group.className = "part";
      done.append(group);
    }
    const inGroup = group === done ? target : target.replaceAll(`${id} >`, `${id} > .part:last-child >`);
    // Looked for here, as a long conversation would be searched from its beginning.
    const at = target === id ? group : done.parentElement.querySelector(inGroup);
    if (at) WAYS[how](at, html);
  };

  // The finished answer knows no groups. Nobody who selected something, or has the focus there, notices that they go.
  const ungroup = (done) => {
    const {anchorNode, anchorOffset, focusNode, focusOffset} = getSelection();
    const move = done.moveBefore ? "moveBefore" : "insertBefore";
    for (const part of done.querySelectorAll(":scope > .part")) {
      while (part.firstChild) done[move](part.firstChild, part);
      part.remove();
    }
    if (done.contains(anchorNode) && done.contains(focusNode)) getSelection().setBaseAndExtent(anchorNode, anchorOffset, focusNode, focusOffset);
  };

  document.addEventListener("htmx:sse:before:message", (event) => {
    const {message} = event.detail;
    if (message.event) return;
    const rest = message.data.replace(SWAP, (swap, target, how, html) => {
      if (how === "outerMorph") event.target.closest("article")?.querySelectorAll(".done").forEach(ungroup);
      if (!TEXT.test(target) || !WAYS[how]) return swap;
      put(target, how, html);
      return "";
    });
    if (rest === message.data) return;
    message.data = rest;
    if (!rest) event.preventDefault();
    keepAtEnd();
  });
}

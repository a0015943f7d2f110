// The text of a growing answer goes to its place straight: nothing in it is htmx's business, and this is the hottest path
// of the page. Whatever else a stream says is swapped by htmx.
{
  const SWAP = /<hx-partial hx-target="([^"]*)" hx-swap="(\S+) settle:0">([^]*?)<\/hx-partial>/g;
  const TEXT = /#a\d+-(answer|thinking)/;

  // Finished blocks stand in groups, and those that are whole have nothing to do with what comes after them (contain):
  // or each frame would look over all that has been written, and a long answer would cost more than a short one.
  const put = (target, how, html) => {
    const [id] = target.match(TEXT);
    const done = document.querySelector(id);
    if (!done) return;
    let group = done.querySelector(".part:last-child") ?? done;
    if (target === id && group.childElementCount >= 40) {
      group.lastElementChild.classList.add("ends");
      if (group !== done) group.className = "part whole";
      done.append(group = document.createElement("div"));
      group.className = "part";
    }
    // Looked for here, as a long conversation would be searched from its beginning.
    const at = target === id ? group : done.parentElement.querySelector(group === done ? target : target.replaceAll(`${id} >`, "$& .part:last-child >"));
    const held = how === "outerHTML" && at?.contains(document.activeElement);
    if (how === "beforeend") at?.insertAdjacentHTML(how, html);
    else if (at) at[how] = html;
    if (held) group.lastElementChild.querySelector("[tabindex]")?.focus({preventScroll: true});
  };

  // The finished answer knows no groups. Who selected something, or has the focus there, does not notice that they go.
  const ungroup = (done) => {
    const {anchorNode, anchorOffset, focusNode, focusOffset} = getSelection();
    const move = done.moveBefore ? "moveBefore" : "insertBefore";
    for (const part of done.querySelectorAll(".part")) {
      while (part.firstChild) done[move](part.firstChild, part);
      part.remove();
    }
    if (done.contains(anchorNode) && done.contains(focusNode)) getSelection().setBaseAndExtent(anchorNode, anchorOffset, focusNode, focusOffset);
  };

  document.addEventListener("htmx:sse:before:message", (event) => {
    const {message} = event.detail;
    if (message.event) return;
    message.data = message.data.replace(SWAP, (swap, target, how, html) => {
      if (how === "outerMorph") document.querySelectorAll(`${target} .done`).forEach(ungroup);
      if (!TEXT.test(target)) return swap;
      put(target, how, html);
      return "";
    });
    if (!message.data) event.preventDefault();
    keepAtEnd();
  });
}

// The text of a growing answer goes to its place straight: nothing in it is htmx's business, and this is the hottest path
// of the page. Whatever else a stream says, and what a block is replaced by, is swapped by htmx.
{
  const PART = /<hx-partial hx-target="([^"]*)" hx-swap="(\S+) settle:0">([^]*?)<\/hx-partial>/g;
  const TEXT = /#a\d+-(answer|thinking)/;
  const PLACES = {beforeend: (at, html) => at.insertAdjacentHTML("beforeend", html), innerHTML: (at, html) => { at.innerHTML = html; }};

  document.addEventListener("htmx:sse:before:message", (event) => {
    const {message} = event.detail;
    if (message.event) return;
    const parts = [...message.data.matchAll(PART)];
    if (!parts.length || parts.some(([, target, how]) => !PLACES[how] || !TEXT.test(target))) return;
    event.preventDefault();
    for (const [, target, how, html] of parts) {
      const at = document.querySelector(target);
      if (at) PLACES[how](at, html);
    }
    keepAtEnd();
  });
}

// A link to more gives way to it: what one reads stays where it is, and the focus goes to what came.
{
  let held = null;
  document.addEventListener("htmx:before:swap", (event) => {
    if (!event.target.matches?.(".more")) return;
    const next = event.target.nextElementSibling;
    held = {by: event.detail.ctx, next, top: next?.getBoundingClientRect().top, focused: document.activeElement === event.target};
  });
  document.addEventListener("htmx:after:swap", (event) => {
    if (held?.by !== event.detail.ctx) return;
    if (held.next) scrollBy(0, held.next.getBoundingClientRect().top - held.top);
    if (held.focused) (event.target.closest("a") ?? event.target.querySelector("a"))?.focus({preventScroll: true});
    held = null;
  });
}

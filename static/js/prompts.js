// Saved prompts are chosen above the page; what one of them says goes into the message, to be changed and sent.
{
  let shown = null;
  document.addEventListener("htmx:after:swap", () => {
    const picker = document.getElementById("picker");
    if (!picker?.firstElementChild) return;
    const filled = picker.querySelector("[data-filled]");
    if (!filled) {
      if (picker.firstElementChild === shown) return;
      shown = picker.firstElementChild;
      if (!picker.matches(":popover-open")) picker.showPopover();
      (picker.querySelector("[autofocus]") ?? picker.querySelector("a, input, textarea"))?.focus();
      return;
    }
    const message = document.getElementById("message");
    message.value = [message.value.trimEnd(), filled.value].filter(Boolean).join("\n\n");
    picker.hidePopover();
    picker.replaceChildren();
    message.focus();
    message.dispatchEvent(new Event("input", {bubbles: true}));
  });
  document.addEventListener("toggle", ({target, newState}) => {
    if (target.id === "picker" && newState === "closed") target.replaceChildren();
  }, true);
}

// The little that only a browser can do: keys, copying, and saying that the server is gone.

// Enter sends, Shift+Enter breaks the line; never while an input method is composing (229: Safari's way to say so).
document.addEventListener("keydown", (event) => {
  if (event.target.id !== "message" || event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  if (event.target.value.trim() || !event.target.required) event.target.form.requestSubmit();
});

// The server has the prompt: the composer is free. What was typed in the meantime stays.
let asked = "";
document.addEventListener("htmx:before:request", (event) => {
  if (event.target.id === "composer") asked = document.getElementById("message").value;
});
document.addEventListener("sent", () => {
  const message = document.getElementById("message");
  if (message.value === asked) message.value = "";
  message.focus();
});

// A judge takes a while until a message is sent: that is shown, and said.
document.addEventListener("submit", ({target}) => {
  const checking = target.querySelector(".checking");
  if (!checking) return;
  document.getElementById("announcer").textContent = checking.textContent;
  if (!target.hasAttribute("hx-post")) checking.dataset.shown = "";
});
addEventListener("pageshow", () => document.querySelectorAll(".checking").forEach((one) => delete one.dataset.shown));

// The server cannot be reached: say so, keep everything.
document.addEventListener("htmx:error", (event) => {
  const notice = document.getElementById("notice");
  if (!notice || !event.target.closest?.("#composer, .moderation")) return;
  const line = document.createElement("p");
  line.className = "notice";
  line.textContent = words.away;
  notice.replaceChildren(line);
});

// Who writes a number beside a choice has chosen it.
document.addEventListener("input", (event) => {
  if (event.target.matches(".days")) event.target.closest("div").querySelector("[type=radio]").checked = true;
});

// Copy buttons: data-copy="code" takes the code beside it, anything else is the address of the text.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = button.dataset.copy;
  button.was ??= [button.textContent, button.ariaLabel];  // not what an earlier click made of it
  const say = (text, label) => { button.textContent = text; button.ariaLabel = label; };
  try {
    const text = source === "code"
      ? button.closest(".code").querySelector("code").textContent
      : await (await fetch(source)).text();
    await copy(text);
    say(words.copied, null);
  } catch {
    say(words.notCopied, null);
  }
  document.getElementById("announcer").textContent = button.textContent;
  clearTimeout(button.back);
  button.back = setTimeout(() => say(...button.was), 1500);
});

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Without TLS browsers offer no clipboard; the old way needs a selection.
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("copy");
}

// The open conversation is in sight in a long list.
addEventListener("DOMContentLoaded", () => {
  const here = document.querySelector(".conversations [aria-current]");
  const list = here?.closest("ul");
  if (list) list.scrollTop = here.offsetTop - list.clientHeight / 2;
});

// A swap that takes away what had the focus leaves it to what led there, or to the composer, but not to nobody.
let focused = null;
let edited = "";
document.addEventListener("focusin", (event) => {
  focused = event.target;
  edited = focused.closest(".conversations > li, .prompt, .rules > li, .rule-form, .add")?.id ?? "";
});
// Escape leaves a row that is edited as it was.
document.addEventListener("keydown", (event) => {
  const cancel = event.key === "Escape" && event.target.closest?.(".editing")?.querySelector("a");
  if (!cancel) return;
  event.preventDefault();
  cancel.click();
});
document.addEventListener("htmx:after:swap", () => {
  if (document.activeElement === document.body && focused && !focused.isConnected) {
    const near = document.getElementById(focused.id) || edited && document.getElementById(edited)?.querySelector(".edit");
    (near || document.getElementById("message"))?.focus({preventScroll: true});
  }
});

// The little that only a browser can do: keys, copying, staying at the end, and saying that the server is gone.
"use strict";

// The list is grouped by the days of here.
document.cookie = `zone=${Intl.DateTimeFormat().resolvedOptions().timeZone};path=/;samesite=lax`;

const words = document.getElementById("words").dataset;

// Enter sends, Shift+Enter breaks the line; never while an input method is composing (229: Safari's way to say so).
document.addEventListener("keydown", (event) => {
  if (event.target.id !== "message" || event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  if (event.target.value.trim()) event.target.form.requestSubmit();
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
  follows(true);
  toEnd();
});

// A judge takes a while until a message is sent: that is shown, and said.
document.addEventListener("submit", ({target}) => {
  const checking = target.querySelector(".checking");
  if (!checking) return;
  document.getElementById("announcer").textContent = checking.textContent;
  if (!target.hasAttribute("hx-post")) checking.dataset.shown = "";
});
addEventListener("pageshow", () => document.querySelectorAll(".checking").forEach((one) => delete one.dataset.shown));

// A stream tells its answer's state by a named event.
document.addEventListener("state", (event) => {
  event.target.closest("article").dataset.state = event.detail.data;
});

// A stream that breaks off connects again by itself, and then says anew what is going on.
document.addEventListener("htmx:sse:error", (event) => {
  const status = event.target.closest("article")?.querySelector(".status");
  if (!status || status.textContent === words.lost) return;
  status.textContent = words.lost;
  document.getElementById("announcer").textContent = words.lost;
});

// The server cannot be reached: say so, keep everything.
document.addEventListener("htmx:error", (event) => {
  const notice = document.getElementById("notice");
  if (!notice || !event.target.closest?.("#composer, .moderation")) return;
  const line = document.createElement("p");
  line.className = "notice";
  line.textContent = words.away;
  notice.replaceChildren(line);
});

// A wait counts down for the eye; its end is said once.
setInterval(() => document.querySelectorAll("[data-countdown]").forEach((left) => {
  left.until ??= Date.now() + left.dataset.countdown * 1000;
  const seconds = Math.ceil((left.until - Date.now()) / 1000);
  const [unit, length] = seconds <= 120 ? ["second", 1] : seconds <= 3600 ? ["minute", 60] : seconds <= 86400 ? ["hour", 3600] : ["day", 86400];
  left.textContent = new Intl.NumberFormat(`${document.documentElement.lang}-u-nu-latn`, {style: "unit", unit, unitDisplay: "long"}).format(Math.ceil(seconds / length));
  if (seconds > 0) return;
  const over = left.closest("#notice") ? words.send : words.try;
  const shown = left.closest("[aria-hidden]");
  shown.previousElementSibling.remove();
  shown.replaceChildren(over);
  document.getElementById("announcer").textContent = over;
}), 1000);

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

// The page follows a growing answer only while its reader is at the end.
let atEnd = true;
let lastScroll = 0;
const toEnd = () => scrollTo(0, document.documentElement.scrollHeight);
const keepAtEnd = () => { if (atEnd) toEnd(); };
// At the end nothing has to be kept in its place, and to look for what would be takes the longer the longer the page is.
const follows = (does) => {
  atEnd = does;
  document.documentElement.style.overflowAnchor = does ? "none" : "";
};
addEventListener("scroll", () => {
  // The answer may have grown since this scroll, so distance alone does not say that somebody left the end.
  if (innerHeight + scrollY >= document.documentElement.scrollHeight - 80) follows(true);
  else if (scrollY < lastScroll) follows(false);
  lastScroll = scrollY;
}, {passive: true});
addEventListener("DOMContentLoaded", () => {
  const here = document.querySelector(".conversations [aria-current]");
  const list = here?.closest("ul");
  if (list) list.scrollTop = here.offsetTop - list.clientHeight / 2;
  const messages = document.getElementById("messages");
  if (!messages) return;
  // Who goes to one message, as to another answer in its place, stays there.
  const named = location.hash && document.getElementById(location.hash.slice(1));
  follows(!named || innerHeight + scrollY >= document.documentElement.scrollHeight - 80);
  keepAtEnd();
  const dock = document.querySelector(".dock");
  const follow = new ResizeObserver(() => {
    // Stop and whatever has the focus must stay above the dock, which grows with what is typed.
    document.documentElement.style.setProperty("--dock", `${dock.offsetHeight}px`);
    keepAtEnd();
  });
  // Not the messages: each change of what is observed has all of the page's layout looked over twice.
  follow.observe(dock);
  addEventListener("resize", keepAtEnd);
  // Before the frame is drawn: a scroll that the observer makes costs another one.
  document.addEventListener("htmx:after:swap", keepAtEnd);
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

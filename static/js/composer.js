// What the composer does beside sending: it grows, and says how much the model can still read.
{
  const message = () => document.getElementById("message");

  // Where a browser does not let fields grow by themselves; the sheet says how far.
  const grow = (area) => {
    if (CSS.supports("field-sizing", "content")) return;
    area.style.height = "";
    area.style.height = `${area.scrollHeight}px`;
  };

  // Browsers look for the direction of each paragraph anew with each key, which takes seconds in a million characters.
  const LONG = 20_000;
  const settle = (area, coming = "") => {
    if (area.value.length + coming.length < LONG) area.dir = "auto";
    else if (area.dir === "auto") area.dir = /^[^A-Za-z]*[\u0590-\u08ff\ufb1d-\ufefc]/.test((area.value + coming).slice(0, 500)) ? "rtl" : "ltr";
  };
  document.addEventListener("beforeinput", ({target, data, dataTransfer}) => {
    if (target.id === "message") settle(target, data ?? dataTransfer?.getData("text/plain") ?? "");
  });

  // UTF-8 bytes a token, between what prose and what other scripts have (chat/memory.py).
  const BYTES = 3.75;
  const bytes = new TextEncoder();
  let warned = "";
  const tell = () => {
    const shown = document.getElementById("context");
    const area = message();
    if (!shown || !area) return;
    shown.drawn = true;
    const {used, context, of, alone, long, drops} = shown.dataset;
    const files = [...document.querySelectorAll("#files [data-tokens]")].reduce((sum, one) => sum + +one.dataset.tokens, 0);
    const typed = area.value ? Math.round(bytes.encode(area.value).length / BYTES) : 0;
    const all = +used + typed + files;
    const words = (number) => number.toLocaleString(document.documentElement.lang);
    // A short question tells nobody anything; the figure comes with a conversation, a file, or a long text.
    shown.hidden = !(+used || files || typed > 100);
    document.getElementById("context-said").textContent = (context ? of : alone).replace("{n}", words(all)).replace("{all}", words(+context));
    const meter = shown.querySelector("meter");
    meter.hidden = !context;
    meter.value = all;
    const warning = !context ? "" : typed + files > context ? long : +used && all > context ? drops : "";
    shown.dataset.state = warning && "over";
    if (warning === warned) return;
    warned = warning;
    document.getElementById("context-warning").textContent = warning;
  };
  document.addEventListener("input", ({target}) => {
    if (target.id !== "message") return;
    settle(target);
    grow(target);
    tell();
  });
  addEventListener("pageshow", () => {
    if (!message()) return;
    settle(message());
    grow(message());
    tell();
  });
  document.addEventListener("files", tell);
  document.addEventListener("sent", () => { if (message()) grow(message()); tell(); });
  document.addEventListener("htmx:after:swap", () => { if (!document.getElementById("context")?.drawn) tell(); });
}

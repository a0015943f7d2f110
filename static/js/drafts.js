// What was typed and not sent: this tab alone keeps it, until the server has it. Nothing of a temporary chat: browsers
// write a tab's storage to the disk.
{
  const DRAFTS = "textarea[name=message]:not([data-temporary] *)";
  const place = (area) => `draft ${area.form.getAttribute("action")} ${area.id}`;
  const untouched = (area) => area.id === "message" ? "" : area.defaultValue;
  const sending = () => JSON.parse(sessionStorage.getItem("sending") ?? "[]");

  const keep = (area) => {
    // More than a tab's storage takes stays in the field alone.
    if (area.value === untouched(area) || area.value.length > 2_000_000) sessionStorage.removeItem(place(area));
    else sessionStorage.setItem(place(area), area.value);
  };
  const recall = (area) => {
    // Browsers bring back what was in a field too, also what was sent.
    area.form.autocomplete = "off";
    // A text that the server gives back is newer than what is kept, and so is what was typed before this script came.
    if (area.value === untouched(area)) area.value = sessionStorage.getItem(place(area)) ?? area.value;
    else if (area.value !== area.defaultValue) keep(area);
  };

  document.addEventListener("input", (event) => {
    if (event.target.matches(DRAFTS)) keep(event.target);
  });
  document.addEventListener("sent", () => document.querySelectorAll(`#message:is(${DRAFTS})`).forEach(keep));
  document.addEventListener("htmx:after:swap", (event) => event.target.querySelectorAll?.(`.rewrite ${DRAFTS}`).forEach(recall));
  document.addEventListener("click", (event) => {
    const area = event.target.closest(".rewrite a")?.closest("form").querySelector(DRAFTS);
    if (area) [place(area), `${place(area)} files`].forEach((key) => sessionStorage.removeItem(key));
  });

  // Where the browser posts a form by itself, a redirect says that the server has it. A deleted conversation takes its drafts along.
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || event.target.method === "dialog") return;
    const area = event.target.querySelector(DRAFTS);
    const whole = `draft ${event.target.getAttribute("action").replace(/delete$/, "")}`;
    const goes = (key) => event.target.matches("[data-forgets]") ? key.startsWith("draft ") : key.startsWith(whole);
    const gone = area ? [place(area), `${place(area)} files`] : Object.keys(sessionStorage).filter(goes);
    sessionStorage.setItem("sending", JSON.stringify([...sending(), ...gone]));
  });
  addEventListener("pageshow", (event) => {
    const areas = [...document.querySelectorAll(DRAFTS)];
    if (!event.persisted && performance.getEntriesByType("navigation")[0].redirectCount) {
      sending().forEach((key) => sessionStorage.removeItem(key));
    }
    // A text that was refused is sent once more.
    if (!areas.some((area) => area.defaultValue !== untouched(area))) sessionStorage.removeItem("sending");
    for (const area of areas) {
      if (event.persisted) area.value = untouched(area);
      recall(area);
    }
  });
}

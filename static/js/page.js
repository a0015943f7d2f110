// What every page does, also for who is not signed in: it tells where its reader is, and counts waits down.
"use strict";

// The list is grouped by the days of here.
document.cookie = `zone=${Intl.DateTimeFormat().resolvedOptions().timeZone};path=/;samesite=lax`;

const words = document.getElementById("words").dataset;

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

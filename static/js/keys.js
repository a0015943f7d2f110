// Keys that save a way, a sheet that tells them, and the list of conversations that folds away on wide screens.
{
  const root = document.documentElement;
  const PLACES = {n: ".new-chat", "/": "[data-key='/'], a[href$='/search']", m: "#message", s: ".stop", "?": ".sheet"};

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && event.target.id === "message") {
      (document.querySelector(".stop") ?? document.getElementById("main")).focus();
      return;
    }
    const isTyping = event.target.matches?.("textarea, select, input:not([type=checkbox], [type=radio])");
    if (isTyping || root.dataset.keys || document.querySelector("dialog[open]")) return;
    const key = event.key.toLowerCase();
    const place = key === "j" || key === "k" ? neighbour(key === "j" ? 1 : -1) : document.querySelector(PLACES[key] ?? "#none");
    if (!place) return;
    event.preventDefault();
    if (place.matches("textarea, input")) place.focus();
    else place.click();
  });

  // On the next page the keys act at once, so its message has not the focus.
  const neighbour = (step) => {
    const all = [...document.querySelectorAll(".conversations .title")];
    const there = all[all.findIndex((one) => one.matches("[aria-current]")) + step];
    if (there) sessionStorage.setItem("by-key", "1");
    return there;
  };
  addEventListener("DOMContentLoaded", () => {
    if (sessionStorage.getItem("by-key")) document.getElementById("main").focus({preventScroll: true});
    sessionStorage.removeItem("by-key");
  });

  document.addEventListener("click", async (event) => {
    const link = event.target.closest(".sheet");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    let dialog = document.querySelector("dialog.keys-sheet");
    if (!dialog) {
      const sheet = await fetch(link.href, {headers: {"HX-Request": "true"}}).then((answer) => answer.text(), () => "");
      if (!sheet) return;
      dialog = document.createElement("dialog");
      dialog.className = "keys-sheet";
      dialog.setAttribute("aria-labelledby", "sheet-title");
      dialog.innerHTML = sheet;
      document.body.append(dialog);
    }
    if (!dialog.open) dialog.showModal();
  });

  // On a small screen the browser itself opens and closes the list; on a wide one it is folded away, and that is remembered.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[popovertarget=sidebar]");
    if (!button || !matchMedia("(min-width: 60rem)").matches) return;
    event.preventDefault();
    const folds = !root.dataset.sidebar;
    if (folds) root.dataset.sidebar = "folded";
    else delete root.dataset.sidebar;
    document.cookie = `sidebar=folded; path=/; samesite=lax; max-age=${folds ? 31536000 : 0}`;
    [...document.querySelectorAll("[popovertarget=sidebar]")].find((one) => one !== button).focus();
  });
}

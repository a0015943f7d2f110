// Files for a prompt: chosen, dropped or pasted, and with the server at once, so that a reload does not lose them. The
// composer has a list of them, and so has each prompt that is edited.
{
  const composer = () => document.getElementById("files");
  // Of the form that somebody is in; whoever is in none means the composer.
  const near = (place) => place?.closest?.(".rewrite")?.querySelector(".going") ?? composer();
  const form = (list) => list.closest("form");
  const words = (list, name, file) => list.dataset[name].replace("{name}", file);
  const say = (text) => { document.getElementById("announcer").textContent = text; };
  const waiting = [];
  let busy = false;
  let sendAfter = null;

  // Their ids stay in this tab as drafts do; nothing of a temporary chat does.
  const key = (list) => form(list).hasAttribute("data-temporary") ? null : `draft ${form(list).getAttribute("action")} ${form(list).message.id} files`;
  const ids = (list) => JSON.stringify([...list.querySelectorAll("[data-id]")].map((one) => one.dataset.id));
  const settle = (list) => {
    // Files alone are a message too.
    form(list).message.required = !list.querySelector("li:not(.failed)");
    document.dispatchEvent(new Event("files"));
  };
  const changed = (list) => {
    settle(list);
    if (!key(list)) return;
    if (ids(list) === list.was) sessionStorage.removeItem(key(list));
    else sessionStorage.setItem(key(list), ids(list));
  };
  const recall = async (list) => {
    settle(list);
    if (list.was) return;
    // What the server gives back with a text that was refused is newer than what is kept.
    const isNewer = list === composer() && ids(list) !== "[]";
    list.was = list === composer() ? "[]" : ids(list);
    const kept = key(list) && sessionStorage.getItem(key(list));
    if (isNewer || !kept) return;
    const got = await fetch(`${list.dataset.url}?${new URLSearchParams(JSON.parse(kept).map((id) => ["id", id]))}`).catch(() => null);
    if (!got?.ok) return;
    list.querySelectorAll("[data-id]").forEach((one) => one.remove());
    list.insertAdjacentHTML("afterbegin", await got.text());
    changed(list);
  };
  addEventListener("pageshow", () => document.querySelectorAll(".going").forEach(recall));
  document.addEventListener("htmx:after:swap", () => document.querySelectorAll(".rewrite .going").forEach((list) => list.was || recall(list)));

  const failed = (item, text, again) => {
    const list = item.closest(".going");
    item.classList.add("failed");
    item.querySelector("progress")?.remove();
    item.querySelector(".hint").textContent = "";
    item.querySelector("bdi").textContent = text;
    const retry = item.querySelector(".retry");
    retry.hidden = !again;
    retry.onclick = () => { item.remove(); add(list, [again]); form(list).message.focus(); };
    settle(list);
    say(text);
    sendAfter = null;
  };
  const next = () => {
    const one = waiting.shift();
    busy = !!one;
    if (one) return upload(one);
    if (sendAfter) {
      const sends = sendAfter;
      sendAfter = null;
      sends.requestSubmit();
    }
  };
  const upload = ({file, item}) => {
    if (!item.isConnected) return next();
    const list = item.closest(".going");
    const body = new FormData();
    body.append("csrf_token", form(list).csrf_token.value);
    if (form(list).hasAttribute("data-temporary")) body.append("temporary", "1");
    body.append("file", file, file.name || "file");
    const request = item.request = new XMLHttpRequest();
    request.open("POST", list.dataset.url);
    const bar = item.querySelector("progress");
    const hint = item.querySelector(".hint");
    let late = 0;
    request.upload.onprogress = ({loaded, total}) => { bar.value = loaded / total; };
    request.upload.onload = () => {
      bar.removeAttribute("value");
      hint.textContent = words(list, "reads");
      late = setTimeout(() => say(hint.textContent = words(list, "turns")), 3000);
    };
    request.onloadend = () => {
      clearTimeout(late);
      if (!item.isConnected) return next();
      if (request.status === 200) {
        item.insertAdjacentHTML("afterend", request.responseText);
        const there = item.nextElementSibling;
        const had = item.contains(document.activeElement);
        item.remove();
        if (had) there.querySelector(".remove").focus();
        say(words(list, "done", file.name));
        changed(list);
      } else {
        const told = request.getResponseHeader("Content-Type")?.startsWith("text/plain") && request.responseText;
        const again = !told || request.status === 503 ? file : null;
        failed(item, request.status === 413 && !told ? words(list, "large", file.name) : told || words(list, "lost", file.name), again);
      }
      next();
    };
    request.send(body);
  };

  const add = (list, files) => {
    if (!list || !+list.dataset.largest) return;
    const left = list.dataset.most - list.querySelectorAll("li:not(.failed)").length;
    let count = 0;
    for (const file of files) {
      const {name, size} = file;
      const item = list.nextElementSibling.content.firstElementChild.cloneNode(true);
      if ([...list.children].some((one) => one.dataset.name === name && one.dataset.size === String(size))) {
        say(words(list, "twice", name));
        continue;
      }
      Object.assign(item.dataset, {name, size});
      item.querySelector("bdi").textContent = name;
      list.append(item);
      const problem = file.folder ? "folder" : size > list.dataset.largest * 1048576 ? "large" : count >= left ? "many" : "";
      if (problem) {
        failed(item, words(list, problem, name));
        if (problem === "many") break;
        continue;
      }
      count += 1;
      waiting.push({file, item});
      say(words(list, "starts", name));
    }
    settle(list);
    if (!busy) next();
  };

  document.addEventListener("change", ({target}) => {
    if (!target.matches(".attach input") || !target.files.length) return;
    add(near(target), [...target.files]);
    target.value = "";
  });
  document.addEventListener("click", ({target}) => {
    const item = target.closest(".remove")?.closest(".going > li");
    if (!item) return;
    const list = item.closest(".going");
    const {id, name} = item.dataset;
    const beside = (item.nextElementSibling ?? item.previousElementSibling)?.querySelector(".remove");
    item.remove();
    item.request?.abort();
    // What was sent before goes on being a part of that message.
    if (id && !list.was.includes(id)) {
      const body = new FormData();
      body.append("csrf_token", form(list).csrf_token.value);
      fetch(`${list.dataset.url}/${id}/delete`, {method: "POST", body}).catch(() => {});
    }
    say(words(list, "gone", name));
    (beside ?? form(list).message).focus();
    changed(list);
  });

  document.addEventListener("paste", (event) => {
    const {files, types} = event.clipboardData;
    const list = near(event.target);
    // Who copies from a document has its picture along, and means the text.
    if (!list || !files.length || types.includes("text/plain")) return;
    event.preventDefault();
    add(list, [...files]);
  });
  const carries = (event) => near(event.target)?.dataset.largest > 0 && event.dataTransfer?.types.includes("Files");
  let over = null;
  const show = (is) => { const drop = document.querySelector(".drop"); if (drop) drop.hidden = !is; };
  document.addEventListener("dragenter", (event) => { if (carries(event)) { over = event.target; show(true); } });
  document.addEventListener("dragleave", (event) => { if (event.target === over) show(false); });
  document.addEventListener("dragover", (event) => { if (carries(event)) event.preventDefault(); });
  document.addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    show(false);
    const list = near(event.target);
    add(list, [...event.dataTransfer.items].filter((one) => one.kind === "file").map((one) => {
      const file = one.getAsFile();
      return one.webkitGetAsEntry?.()?.isDirectory ? {name: file.name, size: 0, folder: true} : file;
    }));
    form(list).message.focus();
  });

  // Who sends while a file is on its way wants it along.
  document.addEventListener("submit", (event) => {
    const list = event.target.querySelector(".going");
    if (!list || !busy) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    sendAfter = event.target;
    say(list.dataset.waits);
  }, true);
  let sent = "";
  document.addEventListener("htmx:before:request", ({target}) => { if (target.id === "composer") sent = ids(composer()); });
  document.addEventListener("sent", () => {
    for (const one of composer().querySelectorAll("li")) if (sent.includes(`"${one.dataset.id}"`) || one.matches(".failed")) one.remove();
    changed(composer());
  });
}

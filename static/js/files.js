// Files for a prompt: chosen, dropped or pasted, and with the server at once, so that a reload does not lose them.
{
  const list = () => document.getElementById("files");
  const words = (name, file) => list().dataset[name].replace("{name}", file);
  const say = (text) => { document.getElementById("announcer").textContent = text; };
  const changed = () => { keep(); document.dispatchEvent(new Event("files")); };
  const waiting = [];
  let busy = false;
  let sendAfter = null;

  // Their ids stay in this tab as drafts do; nothing of a temporary chat does.
  const form = () => list()?.closest("form");
  const key = () => form().hasAttribute("data-temporary") ? null : `draft ${form().getAttribute("action")} message files`;
  const ids = () => [...list().querySelectorAll("[data-id]")].map((one) => one.dataset.id);
  const keep = () => {
    if (!key()) return;
    if (ids().length) sessionStorage.setItem(key(), JSON.stringify(ids()));
    else sessionStorage.removeItem(key());
  };
  addEventListener("pageshow", async () => {
    if (!list() || list().querySelector("[data-id]")) return;
    const kept = key() && JSON.parse(sessionStorage.getItem(key()) ?? "[]");
    if (!kept?.length) return;
    const got = await fetch(`${list().dataset.url}?${new URLSearchParams(kept.map((id) => ["id", id]))}`).catch(() => null);
    if (!got?.ok) return;
    list().insertAdjacentHTML("beforeend", await got.text());
    changed();
  });

  const failed = (item, text, again) => {
    item.classList.add("failed");
    item.querySelector("progress")?.remove();
    item.querySelector("bdi").textContent = text;
    const retry = item.querySelector(".retry");
    retry.hidden = !again;
    retry.onclick = () => { item.remove(); add([again]); list().closest("form").message.focus(); };
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
    const body = new FormData();
    body.append("csrf_token", form().querySelector("[name=csrf_token]").value);
    if (form().hasAttribute("data-temporary")) body.append("temporary", "1");
    body.append("file", file, file.name || "file");
    const request = item.request = new XMLHttpRequest();
    request.open("POST", list().dataset.url);
    request.upload.onprogress = ({loaded, total}) => {
      const bar = item.querySelector("progress");
      if (loaded < total) bar.value = loaded / total;
      else bar.removeAttribute("value");
    };
    request.onloadend = () => {
      if (!item.isConnected) return next();
      if (request.status === 200) {
        item.insertAdjacentHTML("afterend", request.responseText);
        const there = item.nextElementSibling;
        const had = item.contains(document.activeElement);
        item.remove();
        if (had) there.querySelector(".remove").focus();
        say(words("done", file.name));
        changed();
      } else {
        const told = request.getResponseHeader("Content-Type")?.startsWith("text/plain") && request.responseText;
        failed(item, request.status === 413 && !told ? words("large", file.name) : told || words("lost", file.name), told ? null : file);
      }
      next();
    };
    request.send(body);
  };

  const add = (files) => {
    if (!list() || !+list().dataset.largest) return;
    const left = list().dataset.most - list().querySelectorAll("li:not(.failed)").length;
    let count = 0;
    for (const file of files) {
      const {name, size} = file;
      const item = document.getElementById("file-on-its-way").content.firstElementChild.cloneNode(true);
      if ([...list().children].some((one) => one.dataset.name === name && one.dataset.size === String(size))) {
        say(words("twice", name));
        continue;
      }
      Object.assign(item.dataset, {name, size});
      item.querySelector("bdi").textContent = name;
      list().append(item);
      const problem = file.folder ? "folder" : size > list().dataset.largest * 1048576 ? "large" : count >= left ? "many" : "";
      if (problem) {
        failed(item, words(problem, name));
        if (problem === "many") break;
        continue;
      }
      count += 1;
      waiting.push({file, item});
      say(words("starts", name));
    }
    document.dispatchEvent(new Event("files"));
    if (!busy) next();
  };

  document.addEventListener("change", ({target}) => {
    if (target.id !== "attach" || !target.files.length) return;
    add([...target.files]);
    target.value = "";
  });
  document.addEventListener("click", ({target}) => {
    const item = target.closest(".remove")?.closest("#files > li");
    if (!item) return;
    const {id, name} = item.dataset;
    const beside = (item.nextElementSibling ?? item.previousElementSibling)?.querySelector(".remove");
    item.remove();
    item.request?.abort();
    if (id) {
      const body = new FormData();
      body.append("csrf_token", form().querySelector("[name=csrf_token]").value);
      fetch(`${list().dataset.url}/${id}/delete`, {method: "POST", body}).catch(() => {});
    }
    say(words("gone", name));
    (beside ?? document.getElementById("message")).focus();
    changed();
  });

  document.addEventListener("paste", (event) => {
    const {files, types} = event.clipboardData;
    // Who copies from a document has its picture along, and means the text.
    if (!list() || !files.length || types.includes("text/plain")) return;
    event.preventDefault();
    add([...files]);
  });
  const carries = (event) => list() && +list().dataset.largest && event.dataTransfer?.types.includes("Files");
  let over = null;
  const show = (is) => { const drop = document.querySelector(".drop"); if (drop) drop.hidden = !is; };
  document.addEventListener("dragenter", (event) => { if (carries(event)) { over = event.target; show(true); } });
  document.addEventListener("dragleave", (event) => { if (event.target === over) show(false); });
  document.addEventListener("dragover", (event) => { if (carries(event)) event.preventDefault(); });
  document.addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    show(false);
    add([...event.dataTransfer.items].filter((one) => one.kind === "file").map((one) => {
      const file = one.getAsFile();
      return one.webkitGetAsEntry?.()?.isDirectory ? {name: file.name, size: 0, folder: true} : file;
    }));
    document.getElementById("message").focus();
  });

  // Who sends while a file is on its way wants it along.
  document.addEventListener("submit", (event) => {
    if (event.target !== form() || !busy) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    sendAfter = event.target;
    say(list().dataset.waits);
  }, true);
  let sent = [];
  document.addEventListener("htmx:before:request", ({target}) => { if (target.id === "composer") sent = ids(); });
  document.addEventListener("sent", () => {
    for (const one of list().querySelectorAll("li")) if (sent.includes(one.dataset.id) || one.matches(".failed")) one.remove();
    changed();
  });
}

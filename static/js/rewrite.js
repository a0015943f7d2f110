// Arrow up in the empty composer edits the last prompt; Escape leads back.
{
  let wentUp = false;
  document.addEventListener("keydown", (event) => {
    const {target, key} = event;
    if (event.isComposing || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (key === "Escape" && wentUp && target.closest?.(".rewrite")) {
      document.addEventListener("htmx:after:swap", () => document.getElementById("message")?.focus({preventScroll: true}), {once: true});
    } else if (key === "ArrowUp" && target.id === "message" && !target.value) {
      const edit = [...document.querySelectorAll("#messages .prompt .edit")].pop();
      if (!edit) return;
      event.preventDefault();
      const id = edit.closest(".prompt").id;
      const into = () => {
        const area = document.querySelector(`#${id} textarea`);
        if (!area) return;
        document.removeEventListener("htmx:after:swap", into);
        area.focus();
        area.setSelectionRange(area.value.length, area.value.length);
        area.scrollIntoView({block: "nearest"});
      };
      document.addEventListener("htmx:after:swap", into);
      wentUp = true;
      edit.click();
    }
  });
  document.addEventListener("pointerdown", () => { wentUp = false; });
}

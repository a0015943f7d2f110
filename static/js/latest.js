// Who has left the end sees a way back to it. The browser says when: nothing is measured while an answer grows.
addEventListener("DOMContentLoaded", () => {
  const latest = document.getElementById("latest");
  if (!latest) return;
  // What has the focus must not vanish with it.
  const leave = () => {
    const last = document.querySelector("#messages > article:last-of-type");
    last?.setAttribute("tabindex", "-1");
    last?.focus({preventScroll: true});
  };
  const end = document.createElement("div");
  latest.closest(".dock").after(end);
  new IntersectionObserver((seen) => {
    const isThere = seen.at(-1).isIntersecting;
    if (isThere && document.activeElement === latest) leave();
    latest.hidden = isThere;
  }, {rootMargin: "0px 0px 80px"}).observe(end);
  latest.addEventListener("click", () => {
    scrollTo({top: document.documentElement.scrollHeight, behavior: "instant"});
    leave();
  });
});

// A conversation's page: it shows how its answer is getting on, and stays at the end while its reader does.

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
// At once, before a frame is drawn and before htmx looks what is revealed: at the beginning that would be earlier messages.
{
  // Who goes to one message, as to another answer in its place, stays there.
  const named = location.hash && document.getElementById(location.hash.slice(1));
  follows(!named || innerHeight + scrollY >= document.documentElement.scrollHeight - 80);
  keepAtEnd();
  const dock = document.querySelector(".dock");
  // Stop and whatever has the focus must stay above the dock, which grows with what is typed. It is said to those two alone:
  // what the whole page inherits has each of its elements styled anew.
  const makeRoom = () => {
    const height = `${dock.offsetHeight}px`;
    document.documentElement.style.scrollPaddingBlockEnd = `calc(${height} + 1rem)`;
    document.getElementById("messages").lastElementChild?.querySelector(".live")?.style.setProperty("--dock", height);
    keepAtEnd();
  };
  // Not the messages: each change of what is observed has all of the page's layout looked over twice.
  new ResizeObserver(makeRoom).observe(dock);
  addEventListener("resize", keepAtEnd);
  // Before the frame is drawn: a scroll that the observer makes costs another one.
  document.addEventListener("htmx:after:swap", makeRoom);
}

document.addEventListener("sent", () => {
  follows(true);
  toEnd();
});

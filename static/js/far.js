// What of a conversation is far away costs nothing while an answer grows at its end (see chat.css).
{
  const messages = document.getElementById("messages");
  // Once a frame is drawn the browser knows how high each message is.
  requestAnimationFrame(() => requestAnimationFrame(() => {
    messages.classList.add("drawn");
    // What has been drawn keeps its boxes, and each that scrolls is looked at in each frame: they are taken away.
    messages.addEventListener("contentvisibilityautostatechange", ({target, skipped}) => {
      if (!skipped || target.parentElement !== messages) return;
      target.hidden = true;
      target.offsetTop;
      target.hidden = false;
    }, true);
  }));
}

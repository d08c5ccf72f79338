"use strict";
// Says since when the page is stale, or that the session is over. htmx loads the live part again and again; this watches it.
(() => {
  const live = document.getElementById("live");
  const stale = document.getElementById("stale");
  const patience = 2.5 * 1000 * Number(live.dataset.refreshSeconds);
  let fresh = Date.now();
  const clock = (ms) => new Date(ms).toISOString().slice(11, 19) + " UTC";
  let isOver = false;
  document.addEventListener("htmx:after:request", (event) => {
    const status = event.detail.ctx.response.status;
    if (status === 200) fresh = Date.now();
    if ((status === 401) !== isOver) {
      isOver = !isOver;
      stale.hidden = true; // its text changes
    }
    show();
  });
  function signIn() {
    const link = document.createElement("a");
    link.href = location.href;
    link.target = "_blank"; // what was typed here stays
    link.textContent = "Sign in again";
    stale.replaceChildren("Your session is over, and what is shown is old. ", link, ".");
  }
  function show() {
    const isStale = isOver || Date.now() - fresh > patience;
    if (isStale && stale.hidden && isOver) {
      signIn();
    } else if (isStale && stale.hidden) {
      stale.textContent = `Stale since ${clock(fresh)}: the monitor does not answer. What is shown is from then.`;
    }
    stale.hidden = !isStale;
    live.classList.toggle("is-stale", isStale);
  }
  setInterval(show, 500);
})();

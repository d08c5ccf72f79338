"use strict";
// Says since when the page is stale. htmx loads the live part again and again; this watches it.
(() => {
  const live = document.getElementById("live");
  const stale = document.getElementById("stale");
  const patience = 2.5 * 1000 * Number(live.dataset.refreshSeconds);
  let fresh = Date.now();
  const clock = (ms) => new Date(ms).toISOString().slice(11, 19) + " UTC";
  document.addEventListener("htmx:after:request", (event) => {
    if (event.detail.ctx.response.status === 200) fresh = Date.now();
    show();
  });
  function show() {
    const isStale = Date.now() - fresh > patience;
    if (isStale && stale.hidden) {
      stale.textContent = `Stale since ${clock(fresh)}: the monitor does not answer. What is shown is from then.`;
    }
    stale.hidden = !isStale;
    live.classList.toggle("is-stale", isStale);
  }
  setInterval(show, 500);
})();

// Refreshes the page in place: fetches it again, changes only what differs.
"use strict";
(() => {
  const every = Number(document.body.dataset.every) * 1000;
  const button = document.querySelector(".live");
  const outage = document.querySelector(".outage");
  const patience = 10_000; // ms for one answer
  let paused = false;
  let timer = 0;
  let underWay = null;
  let lastGood = document.querySelector("[data-away]") ? null : new Date();

  const keyOf = (node) =>
    node.nodeType === Node.ELEMENT_NODE ? node.id || node.getAttribute("src") || "" : "";

  const isAlike = (old, fresh) =>
    old.nodeType === fresh.nodeType &&
    old.nodeName === fresh.nodeName &&
    (keyOf(old) === keyOf(fresh) || old.nodeName === "IMG");

  function syncAttributes(old, fresh) {
    for (const { name } of [...old.attributes]) {
      // What is folded open is the reader's choice.
      if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) {
        old.removeAttribute(name);
      }
    }
    for (const { name, value } of fresh.attributes) {
      if (name === "open" && old.nodeName === "DETAILS") continue;
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
  }

  // Makes `old` the same as `fresh`, keeping each element that can be kept: focus, selection and
  // scroll positions stay where they are.
  function morph(old, fresh) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    if (old.hasAttribute("data-still")) return; // a form that somebody fills in
    syncAttributes(old, fresh);
    const rest = [...old.childNodes];
    for (const child of [...fresh.childNodes]) {
      const found = rest.findIndex((node) => isAlike(node, child));
      if (found < 0) {
        old.insertBefore(child, rest[0] ?? null);
      } else {
        for (const passed of rest.splice(0, found)) passed.remove();
        morph(rest.shift(), child);
      }
    }
    for (const node of rest) node.remove();
  }

  function show(fresh) {
    document.title = fresh.title;
    for (const part of document.querySelectorAll("[data-live]")) {
      const found = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
      if (found) morph(part, found);
    }
  }

  function tell(words) {
    if (outage.textContent !== words) outage.textContent = words;
    document.body.classList.toggle("is-stale", words !== "");
  }

  const since = () => (lastGood ? ` What you see is of ${lastGood.toLocaleTimeString()}.` : "");

  async function refresh() {
    underWay = new AbortController();
    const limit = setTimeout(() => underWay.abort(), patience);
    try {
      const answer = await fetch(location.href, {
        signal: underWay.signal, headers: { "X-Refresh": "1" }, cache: "no-store",
      });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (answer.ok || answer.status === 404) {
        show(fresh);
        lastGood = new Date();
        tell("");
      } else if (answer.status === 503 && fresh.querySelector("[data-away]")) {
        // What was known stays in sight; without any, the page already says that Redis is away.
        if (document.querySelector("[data-away]")) show(fresh);
        else tell(`Redis cannot be reached.${since()} Trying again every few seconds.`);
      } else {
        tell(`The dashboard answered ${answer.status}.${since()}`);
      }
    } catch {
      if (!paused) tell(`The dashboard cannot be reached.${since()} Trying again every few seconds.`);
    } finally {
      clearTimeout(limit);
      underWay = null;
      plan();
    }
  }

  function plan() {
    clearTimeout(timer);
    if (!paused && !document.hidden) timer = setTimeout(refreshWhenQuiet, every);
  }

  function refreshWhenQuiet() {
    // Not while somebody marks text, to copy it.
    if (String(getSelection())) plan();
    else if (!underWay) refresh();
  }

  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(!paused));
    button.querySelector(".live-word").textContent = paused ? "Paused" : "Live";
    if (paused) clearTimeout(timer);
    else refresh();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !paused && !underWay) refresh();
  });
  plan();
})();

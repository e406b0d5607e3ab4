// Keeps the moving regions of a page up to date from one stream; without it, the page is as it was when it was loaded.
"use strict";

(() => {
  const line = document.getElementById("live-state");
  if (!line) return;
  const mark = document.getElementById("live-mark");
  const text = document.getElementById("live-text");
  const seconds = document.getElementById("live-age");
  const button = document.getElementById("live-pause");
  const silence = 15; // seconds: the server says at least every five that nothing changed
  let stop = null; // ends the stream that runs
  let heard = Date.now();
  let paused = false;
  let lost = 0; // how often in a row connecting failed
  let again = 0; // when it is tried again
  let news = ""; // what stands in place of the state
  const held = new Map(); // what regions show as soon as nobody is in them; null for rows that have left their list

  function address() {
    if (line.dataset.of) return line.dataset.of;
    const query = new URLSearchParams(location.search);
    const list = document.querySelector("[data-top]");
    if (list) query.set("top", list.dataset.top);
    return location.pathname + (query.size ? `?${query}` : "");
  }

  function put(name, html) {
    if (name === "hello") {
      if (html !== document.documentElement.dataset.version) news = "Another version is running now; reload the page";
      return;
    }
    const list = document.querySelector(`[data-rows="${name}"]`);
    if (list) {
      const there = new Set(html.split(" "));
      for (const row of list.querySelectorAll("tr[data-live]:not(.gone)")) {
        if (!there.has(row.dataset.live)) change(row, null);
      }
    }
    for (const region of document.querySelectorAll(`[data-live="${name}"]`)) change(region, html);
  }

  // What somebody is in, or is selecting to copy, does not move under them; it waits until they leave it.
  function isIn(region) {
    const chosen = getSelection();
    return region.contains(document.activeElement) || (!chosen.isCollapsed && chosen.containsNode(region, true));
  }

  function change(region, html) {
    held.delete(region);
    if (isIn(region)) {
      held.set(region, html);
      return;
    }
    region.classList.toggle("gone", html === null);
    if (html === null) {
      region.querySelector("input")?.remove();
      const words = region.closest("[data-gone]").dataset.gone;
      region.querySelector(".a").append(Object.assign(document.createElement("div"), { className: "sub", textContent: words }));
    } else {
      const open = [...region.querySelectorAll("details[open]")].map((one) => one.textContent);
      region.innerHTML = html;
      for (const one of region.querySelectorAll("details")) one.open ||= open.includes(one.textContent);
      localTimes(region);
    }
    if (region.dataset.live === "title") document.title = `${region.textContent} · Zeebe Connectors`;
    region.dispatchEvent(new Event("change", { bubbles: true })); // a box may have gone with it: the dock counts anew
  }

  function release() {
    for (const [region, html] of [...held]) change(region, html);
    show();
  }

  // Whether leaving the page would lose something.
  function isTyped() {
    return [...document.querySelectorAll("main input, main textarea")].some(differs);
  }

  async function read(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard = Date.now();
      lost = 0;
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      for (const event of events) {
        const found = /^event: (.*)\ndata: (.*)$/.exec(event);
        if (found) put(found[1], JSON.parse(found[2]));
      }
      show();
    }
  }

  async function run() {
    const ending = new AbortController();
    stop = ending;
    let status = 0;
    try {
      const answer = await fetch(`/live?of=${encodeURIComponent(address())}`, { signal: ending.signal, cache: "no-store" });
      status = answer.status;
      if (status === 401 && !isTyped()) return location.assign(`/signin?to=${encodeURIComponent(location.pathname + location.search)}`);
      if (status === 404) return line.remove(); // nothing moves here (any more)
      if (answer.ok) await read(answer.body);
    } catch {
      status = 0; // the connection ended
    }
    if (stop !== ending) return; // paused, hidden, or begun anew meanwhile
    stop = null;
    if (status === 429) news = "Not live: too many pages are open";
    if (status === 401) news = "Not live: signed out. Copy what you typed, and reload the page";
    lost += 1;
    const wait = status === 429 || status === 401 ? 30 : Math.min(30, 2 ** (lost - 1));
    again = Date.now() + wait * 1000 * (0.75 + Math.random() / 2);
    show();
  }

  function end() {
    const running = stop;
    stop = null;
    if (running) running.abort();
  }

  function clock(when) {
    return new Date(when).toLocaleTimeString();
  }

  function show() {
    const age = Math.max(0, Math.round((Date.now() - heard) / 1000));
    const live = stop !== null && age <= silence;
    mark.className = paused ? "dot paused" : live || age < 3 ? "dot" : "dot old";
    let words = live || age < 3 ? "Live" : `Not live. From ${clock(heard)}`;
    let since = live || age < 3 ? `, ${age} s ago${held.size ? "; what you are in waits" : ""}` : `, ${age} s ago; trying again${again > Date.now() ? ` in ${Math.ceil((again - Date.now()) / 1000)} s` : ""}`;
    if (paused) [words, since] = [`Paused, as it was at ${clock(heard)}`, ""];
    else if (news) [words, since] = [news, ""];
    if (text.textContent !== words) text.textContent = words; // read aloud, so only when it changes
    seconds.textContent = since;
  }

  setInterval(() => {
    if (paused || document.hidden) return;
    if (stop && Date.now() - heard > silence * 1000) end();
    if (!stop && Date.now() >= again) {
      if (news.startsWith("Not live")) news = "";
      run();
    }
    show();
  }, 1000);

  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Resume" : "Pause";
    if (paused) end();
    again = 0;
    if (!paused) run();
    show();
  });

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) end();
    else if (!paused && !stop) run();
  });

  document.addEventListener("focusout", () => setTimeout(release));
  document.addEventListener("selectionchange", () => { if (held.size) release(); });

  line.hidden = false;
  if (!document.hidden) run();
  show();
})();

// The page works without this: it puts times into the browser's zone, copies, moves by keys and signs in from a link.
"use strict";

const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;

function localTimes(root) {
  const forms = {
    time: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
    minute: { hour: "2-digit", minute: "2-digit" },
    day: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
  };
  for (const item of root.querySelectorAll("time[data-form]")) {
    const when = new Date(item.dateTime);
    item.textContent = when.toLocaleString(undefined, forms[item.dataset.form]);
    item.title = when.toLocaleString();
  }
}

// Whether a field holds something else than the page was drawn with.
function differs(field) {
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  if (field.options) return [...field.options].some((one) => one.selected !== one.defaultSelected);
  return field.value !== field.defaultValue;
}

function signInFromLink() {
  const form = document.getElementById("signin");
  if (!form || form.querySelector(".msg")) return;
  let token = location.hash.slice(1);
  try {
    token = decodeURIComponent(token);
  } catch {
    // somebody typed it as it is
  }
  if (!token) return;
  history.replaceState(null, "", location.pathname + location.search); // so that it stays in no history
  form.elements.token.value = token;
  form.requestSubmit();
}

async function copy(button) {
  const lines = document.getElementById(button.dataset.copy).textContent.trim().split(/\s*\n\s*/);
  const text = [...lines, location.href].join("\n");
  const word = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Could not copy";
  }
  setTimeout(() => { button.textContent = word; }, 2000);
}

function closeMenu() {
  const menu = document.querySelector(".topbar details[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
}

const places = { o: "/", j: "/jobs", s: "/sources", q: "/events", f: "/feel", r: "/runtime", c: "/connectors", p: "/providers" };
let going = 0;

function byKey(event) {
  const field = event.target.closest("input, select, textarea, [contenteditable]");
  if (event.key === "Escape") closeMenu();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && field && field.form) field.form.requestSubmit();
  if (field || event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem("keys") === "off") return;
  const to = places[event.key];
  if (Date.now() - going < 1500 && to && document.querySelector(`nav a[href="${to}"]`)) location.assign(to);
  going = event.key === "g" ? Date.now() : 0;
  if (event.key === "?") location.assign("/runtime#keys");
  if (event.key === "/") {
    const search = document.querySelector("input[type=search]");
    if (search) { event.preventDefault(); search.focus(); }
  }
}

// A dock says how many are chosen; its buttons name the number, so that nobody acts on more than was seen.
function count(dock) {
  const n = dock.closest("form").querySelectorAll("input[type=checkbox]:checked").length;
  for (const button of dock.querySelectorAll("button[data-word]")) {
    button.dataset.plain ??= button.textContent;
    button.textContent = n ? button.dataset.word.replace("{n}", n) : button.dataset.plain;
    button.disabled = !n;
  }
  const text = dock.querySelector("[data-chosen]");
  text.textContent = text.dataset.chosen.replace("{n}", n);
}

for (const dock of document.querySelectorAll("[data-dock]")) {
  count(dock);
  dock.closest("form").addEventListener("change", () => count(dock));
  addEventListener("pageshow", () => count(dock)); // browsers keep what was chosen when they go back
}

// All boxes of a group at once, or none of them.
for (const button of document.querySelectorAll("[data-choose]")) {
  const boxes = () => [...document.getElementById(button.dataset.choose).querySelectorAll("input[type=checkbox]")];
  button.addEventListener("click", () => {
    const all = boxes().every((box) => box.checked);
    for (const box of boxes()) box.checked = !all;
    button.dispatchEvent(new Event("change", { bubbles: true }));
  });
  button.hidden = false;
}

// What a form holds that is not saved yet, by the names of its fields.
for (const line of document.querySelectorAll("[data-unsaved]")) {
  const form = line.closest("form");
  const say = () => {
    const names = [...form.elements].filter((field) => field.name && field.name !== "sure" && differs(field))
      .map((field) => field.getAttribute("aria-label") ?? field.labels?.[0]?.querySelector("span, .label")?.firstChild.textContent.trim() ?? field.labels?.[0]?.textContent.trim());
    line.textContent = names.length ? `Not saved: ${names.slice(0, 3).join("; ")}${names.length > 3 ? ` and ${names.length - 3} more` : ""}` : "";
  };
  form.addEventListener("input", say);
  addEventListener("pageshow", say); // browsers keep what was typed when they go back
}

for (const button of document.querySelectorAll("button[data-copy]")) button.hidden = false;

const keys = document.getElementById("keys-switch");
if (keys) {
  const say = () => { keys.textContent = `Switch single keys ${localStorage.getItem("keys") === "off" ? "on" : "off"}`; };
  keys.addEventListener("click", () => {
    localStorage.setItem("keys", localStorage.getItem("keys") === "off" ? "on" : "off");
    say();
  });
  keys.hidden = false;
  say();
}

// What may take long says so and for how long; where nothing is changed, it can be given up.
function busy(form, button) {
  const plain = button.textContent;
  const began = Date.now();
  const say = () => { button.textContent = `${form.dataset.busy}… ${Math.round((Date.now() - began) / 1000)} s`; };
  const cancel = Object.assign(document.createElement("button"), { type: "button", className: "btn", textContent: "Cancel" });
  const timer = setInterval(say, 1000);
  const end = () => {
    clearInterval(timer);
    cancel.remove();
    button.disabled = false;
    button.textContent = plain;
  };
  cancel.addEventListener("click", () => { window.stop(); end(); });
  addEventListener("pageshow", end, { once: true }); // somebody goes back to this page
  setTimeout(() => { // once the form is sent with the button's name
    button.disabled = true;
    if ("cancel" in form.dataset) button.after(cancel);
    say();
  });
}

document.addEventListener("submit", (event) => {
  if (event.target.dataset.busy && event.submitter?.value !== "show") busy(event.target, event.submitter ?? event.target.querySelector("button[type=submit]"));
});

// What went wrong is where the reader is: the first wrong field, or the notice.
const trouble = document.querySelector("main [aria-invalid=true]") ?? document.querySelector("main [role=alert]");
if (trouble && !document.getElementById("signin")) {
  if (!trouble.matches("input, select, textarea")) trouble.tabIndex = -1;
  trouble.closest("details")?.setAttribute("open", "");
  trouble.focus();
}

localTimes(document);
for (const named of document.querySelectorAll("[data-zone]")) named.textContent = `Times are in ${zone}`;
signInFromLink();
document.addEventListener("keydown", byKey);
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-copy]");
  if (button) copy(button);
});

"use strict";
// What pages can't do by themselves: remember light or dark, and show the live tail. No page needs it to be usable.

const THEME = "trackpush-theme";

function dark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function use(theme) {
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
}

try { use(localStorage.getItem(THEME)); } catch { /* storage is off: the system's choice stays */ }

document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("theme")?.addEventListener("click", () => {
    const theme = dark() ? "light" : "dark";
    use(theme);
    try { localStorage.setItem(THEME, theme); } catch { /* same */ }
  });
  document.querySelector(".filters textarea")?.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    event.target.form.requestSubmit();
  });
  const zone = document.getElementById("zone");
  zone?.addEventListener("change", () => zone.form.requestSubmit());
  const saved = document.getElementById("saved");
  if (saved) keep(saved);
  const copy = document.getElementById("copy-curl");
  if (copy && navigator.clipboard) {
    copy.hidden = false;
    copy.addEventListener("click", () => {
      const copied = document.getElementById("copied");
      navigator.clipboard.writeText(document.getElementById("curl").textContent)
        .then(() => { copied.textContent = "Copied. Set the variables before you run it."; },
          () => { copied.textContent = "The browser refused: open “As curl” and copy it."; });
    });
  }
  const table = document.getElementById("tail");
  if (table) watch(table);
});

// Kept searches are in this browser's storage: an address and a name for each.
const SAVED = "trackpush-searches";

function kept() {
  try { return JSON.parse(localStorage.getItem(SAVED) ?? "[]").filter((entry) => /^\/console\//.test(entry.href)); } catch { return []; }
}

function keep(form) {
  const list = form.querySelector("ul");
  const store = (entries) => {
    try { localStorage.setItem(SAVED, JSON.stringify(entries)); } catch { /* storage is off or full: nothing is kept */ }
    show();
  };
  const show = () => {
    list.replaceChildren(...kept().map((entry) => {
      const item = document.createElement("li");
      const remove = document.createElement("button");
      remove.type = "button";
      remove.className = "quiet";
      remove.textContent = "×";
      remove.setAttribute("aria-label", `Remove ${entry.name}`);
      remove.addEventListener("click", () => store(kept().filter((other) => other.name !== entry.name)));
      item.append(link(entry.href, entry.name), remove);
      return item;
    }));
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = form.querySelector("input").value.trim();
    if (!name) return;
    const href = location.pathname + location.search;
    store([...kept().filter((other) => other.name !== name), { name, href }].slice(-50));
    form.reset();
  });
  form.hidden = false;
  show();
}

const MOST_ROWS = 200;

function watch(table) {
  const body = table.tBodies[0];
  const state = document.getElementById("tail-state");
  const button = document.getElementById("pause");
  let paused = false;
  let missed = 0;
  const source = new EventSource(table.dataset.source);
  const say = (text) => { state.textContent = text; };
  const told = () => say(paused ? `Paused, ${missed} came since.` : "Watching.");
  source.onopen = told;
  source.onerror = () => say(source.readyState === EventSource.CLOSED ? "The server refused: log in again, or close another tail." : "Connection lost, trying again…");
  source.addEventListener("missed", (event) => say(`Too much at once: ${event.data} were left out.`));
  for (const kind of ["update", "attempt"]) {
    source.addEventListener(kind, (event) => {
      if (paused) { missed += 1; told(); return; }
      body.prepend(row(JSON.parse(event.data)));
      while (body.rows.length > MOST_ROWS) body.deleteRow(-1);
    });
  }
  button.addEventListener("click", () => {
    paused = !paused;
    missed = 0;
    button.setAttribute("aria-pressed", String(paused));
    button.textContent = paused ? "Continue" : "Pause";
    told();
  });
}

function row(event) {
  const made = document.createElement("tr");
  const at = new Date(event.at).toISOString().replace("T", " ").slice(0, 23);
  const name = event.awb ?? event.shipment ?? "";
  const push = event.pushConfig ?? event.pushes.join(", ");
  const answer = event.kind === "update" ? event.status : [event.httpStatus, event.error].filter(Boolean).join(" ");
  const took = event.kind === "update" || event.durationMs === null ? "" : `${event.durationMs} ms`;
  cell(made, "When", text(at));
  const what = document.createElement("span");
  what.className = event.kind === "update" ? "state received" : `state ${event.state}`;
  what.textContent = event.kind === "update" ? "received" : event.state;
  cell(made, "What", what);
  cell(made, "Shipment", name ? link(`/console/shipments/${encodeURIComponent(name)}`, name) : text("–"));
  cell(made, "PushConfig", event.pushId ? link(`/console/pushes/${event.pushId}`, push) : text(push || "none"));
  cell(made, "Answer", text(answer)).className = "answer";
  cell(made, "Took", text(took)).className = "number";
  return made;
}

function cell(made, label, content) {
  const found = made.insertCell();
  found.dataset.label = label;
  found.append(content);
  return found;
}

function text(content) { return document.createTextNode(content); }

function link(href, content) {
  const made = document.createElement("a");
  made.href = href;
  made.textContent = content;
  return made;
}

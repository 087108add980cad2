/* Comforts of the console: copy buttons, the command palette, shortcuts, local times, dialogs.
   Every page works without this file, except the palette and the live lists. */
"use strict";

const ready = (root) => {
  root.querySelectorAll("button.copy[hidden], [data-palette][hidden], [data-filter][hidden]").forEach((element) => {
    element.hidden = false;
  });
  root.querySelectorAll("time[datetime]").forEach(showLocal);
  root.querySelectorAll("input[type=datetime-local]").forEach(takeLocal);
  root.querySelectorAll("[data-utc]").forEach((note) => note.remove());
  root.querySelectorAll("[data-toast]").forEach(expire);
};

/* Times are written in UTC. Here they become the reader's, with UTC in the title. */
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const minute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
function showLocal(element) {
  const time = new Date(element.dateTime);
  if (Number.isNaN(time.getTime()) || element.dataset.shown) return;
  element.dataset.shown = "1";
  element.title = `${moment.format(time)} (${element.dateTime.slice(0, 19).replace("T", " ")} UTC)`;
  if ("moment" in element.dataset) element.textContent = (element.dataset.moment === "minute" ? minute : moment).format(time);
  if (element.dataset.axis === "p24h") element.textContent = clock.format(time);
}

/* Fields for a moment hold UTC, and say so. Here they show and take the reader's time, and still send UTC. */
const MINUTE = 60000;
function shifted(value, from, to) {
  const time = new Date(from === "UTC" ? `${value}Z` : value);
  if (!value || Number.isNaN(time.getTime())) return value;
  const zone = to === "UTC" ? 0 : time.getTimezoneOffset();
  return new Date(time.getTime() - zone * MINUTE).toISOString().slice(0, 23).replace(/(:00)?\.000$/, "");
}
function takeLocal(field) {
  if (field.dataset.local) return;
  field.dataset.local = "1";
  field.value = shifted(field.defaultValue, "UTC", "local");
}
document.addEventListener("formdata", (event) => {
  event.target.querySelectorAll("input[data-local]").forEach((field) => {
    if (field.name && event.formData.has(field.name)) event.formData.set(field.name, shifted(field.value, "local", "UTC"));
  });
});

function expire(element) {
  setTimeout(() => element.remove(), 8000);
}

/* Copying */
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
});

/* Menus and confirmations are <details>: Esc and a click elsewhere close them. */
const opened = () => document.querySelectorAll("details.menu[open], details.confirm[open]");
document.addEventListener("click", (event) => {
  opened().forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
  if (event.target.closest("[data-close]")) event.target.closest("details").open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  opened().forEach((menu) => {
    const inside = menu.contains(document.activeElement);
    menu.open = false;
    if (inside) menu.querySelector("summary").focus();
  });
  if (location.hash === "#sidebar") location.hash = "#main";
});

/* A form with ready-made choices: what is chosen in the block of custom ones selects Custom, selecting
   Custom opens the block, and a ready-made choice clears it. The server refuses a form with both. */
document.addEventListener("change", (event) => {
  const form = event.target.form;
  const custom = form && form.querySelector("input[data-custom]");
  const block = custom && form.querySelector("details.custom");
  if (!block) return;
  if (block.contains(event.target)) {
    custom.checked = true;
  } else if (event.target === custom) {
    block.open = true;
  } else if (event.target.name === custom.name) {
    block.querySelectorAll("input:checked").forEach((box) => { box.checked = false; });
    block.querySelectorAll("select").forEach((list) => { list.selectedIndex = 0; });
    block.open = false;
  }
});

/* A form applies what its menu says: the menu no longer covers the results. */
document.addEventListener("submit", (event) => {
  event.target.querySelectorAll("details.menu[open]").forEach((menu) => {
    menu.open = false;
    menu.querySelector("summary").focus();
  });
});

/* A second click does not send a form again: it would make two keys, and show the token of neither.
   Scripts that send a form themselves prevent the event, so it is looked at after they have run. */
const SENDING = 10000;
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  setTimeout(() => {
    if (event.defaultPrevented) return;
    form.dataset.sent = "1";
    setTimeout(() => { delete form.dataset.sent; }, SENDING);
  });
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => { delete form.dataset.sent; });
});

/* A search field that filters a list in the page. */
document.addEventListener("input", (event) => {
  const list = event.target.dataset.filter && document.querySelector(event.target.dataset.filter);
  if (!list) return;
  const text = event.target.value.toLowerCase();
  for (const item of list.children) item.hidden = !item.textContent.toLowerCase().includes(text);
});

/* The command palette */
const palette = document.getElementById("palette");
if (palette) {
  const input = document.getElementById("palette-text");
  const list = document.getElementById("palette-list");
  const pages = [...document.querySelectorAll(".sidebar .side a, .switcher a, #palette-actions a")];
  let number = 0;
  let chosen = -1;

  const choose = (index) => {
    const options = [...list.querySelectorAll("[role=option]")];
    chosen = options.length ? (index + options.length) % options.length : -1;
    options.forEach((option, at) => {
      option.id = `palette-${at}`;
      option.setAttribute("aria-selected", at === chosen);
    });
    if (chosen >= 0) options[chosen].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", chosen < 0 ? "" : `palette-${chosen}`);
  };
  const about = (page, text) => {
    const known = `${page.textContent} ${page.dataset.words || ""}`.toLowerCase();
    return page.textContent.toLowerCase().includes(text) || text.split(/\s+/).every((word) => ` ${known}`.includes(` ${word}`));
  };
  const matching = (text) => pages.filter((page) => about(page, text)).slice(0, 8).map((page) => {
    const option = page.cloneNode(true);
    option.setAttribute("role", "option");
    option.removeAttribute("aria-current");
    option.removeAttribute("data-key");
    return option;
  });
  const search = async () => {
    const text = input.value.trim();
    const asked = ++number;
    list.replaceChildren(...matching(text.toLowerCase()));
    choose(0);
    if (!input.dataset.url || text.length < 2) {
      if (!list.children.length) list.textContent = "Nothing found.";
      return;
    }
    const answer = await fetch(`${input.dataset.url}?${new URLSearchParams({ q: text })}`, { headers: { "HX-Request": "true" } });
    if (asked !== number || !answer.ok) return;
    const found = new DOMParser().parseFromString(await answer.text(), "text/html").body.children;
    if (asked !== number) return;
    list.append(...found);
    if (!list.children.length) list.textContent = "Nothing found.";
    choose(Math.max(chosen, 0));
  };
  const open = () => {
    if (palette.open) return;
    input.value = "";
    palette.showModal();
    search();
    input.focus();
  };
  let later = 0;
  input.addEventListener("input", () => { clearTimeout(later); later = setTimeout(search, 120); });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") { event.preventDefault(); choose(chosen + 1); }
    if (event.key === "ArrowUp") { event.preventDefault(); choose(chosen - 1); }
    if (event.key === "Escape") { event.preventDefault(); palette.close(); } // Chrome would only clear the field
    if (event.key === "Enter") {
      event.preventDefault();
      const option = list.querySelector("[aria-selected=true]");
      if (option && option.dataset.press) option.click();
      else if (option) location.href = option.href;
    }
  });
  palette.addEventListener("click", (event) => {
    if (event.target === palette) palette.close();
    const action = event.target.closest("[data-press]");
    if (!action) return;
    event.preventDefault();
    palette.close();
    document.querySelector(action.dataset.press).click();
  });
  document.addEventListener("click", (event) => { if (event.target.closest("[data-palette]")) open(); });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); open(); }
  });
}

/* Keyboard shortcuts: g and a letter open a page, / searches in the page, ? shows all of them. */
const shortcuts = document.getElementById("shortcuts");
let leader = 0;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog[open]")) return;
  if (event.key === "?" && shortcuts) { event.preventDefault(); shortcuts.showModal(); return; }
  if (event.key === "/") {
    const field = document.querySelector("main input[type=search]");
    if (field) { event.preventDefault(); field.focus(); }
    return;
  }
  if (event.key === "g") { leader = Date.now(); return; }
  if (Date.now() - leader > 1500) return;
  leader = 0;
  const page = document.querySelector(`.sidebar a[data-key="${CSS.escape(event.key)}"]`);
  if (page) { event.preventDefault(); location.href = page.href; }
});

/* An editor shows its errors in place: htmx drops pages with an error's status otherwise. */
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id === "editor" && [400, 403, 409].includes(event.detail.xhr.status)) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
});

document.addEventListener("DOMContentLoaded", () => {
  ready(document);
  document.querySelector(".side-list [aria-current]")?.scrollIntoView({ block: "nearest" });
});
document.addEventListener("htmx:afterSwap", (event) => ready(event.target));

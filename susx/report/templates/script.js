"use strict";

function compare(one, other, up) {
  const missing = (one === "") - (other === "");
  if (missing) return missing;
  const numbers = [Number(one), Number(other)];
  const order = numbers.some(Number.isNaN)
    ? one.localeCompare(other, undefined, { numeric: true })
    : numbers[0] - numbers[1];
  return up ? order : -order;
}

function valueOf(cell) {
  return cell.dataset.v ?? cell.textContent.trim();
}

function addFilters(table) {
  const rows = [...table.tBodies[0].rows];
  const chosen = new Map();
  const show = () => {
    const fits = (row) => ([column, wanted]) => !wanted || valueOf(row.cells[column]) === wanted;
    for (const row of rows) row.hidden = ![...chosen].every(fits(row));
  };
  const bar = document.createElement("p");
  bar.className = "filters";
  for (const header of table.querySelectorAll("thead [data-filter]")) {
    const column = header.cellIndex;
    const label = document.createElement("label");
    const select = document.createElement("select");
    select.add(new Option("all", ""));
    const values = new Set(rows.map((row) => valueOf(row.cells[column])));
    for (const value of values) select.add(new Option(value, value));
    select.addEventListener("change", () => show(chosen.set(column, select.value)));
    label.append(`${header.textContent} `, select);
    bar.append(label);
  }
  document.getElementById(table.dataset.filters).before(bar);
}

for (const table of document.querySelectorAll("table[data-filters]")) addFilters(table);

function sortBy(header) {
  const body = header.closest("table").tBodies[0];
  const column = header.cellIndex;
  const value = (row) => valueOf(row.cells[column]);
  const first = header.dataset.first ?? "ascending";
  const second = first === "ascending" ? "descending" : "ascending";
  const order = header.getAttribute("aria-sort") === first ? second : first;
  for (const other of header.parentNode.cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", order);
  const rows = [...body.rows];
  rows.sort((one, other) => compare(value(one), value(other), order === "ascending"));
  body.append(...rows);
}

for (const header of document.querySelectorAll("table.sortable thead th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...header.childNodes);
  header.append(button);
  button.addEventListener("click", () => sortBy(header));
}

const GROUPS = ".gallery, .examples, tbody";
const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

function moveByArrows(group) {
  const buttons = [...group.querySelectorAll(".pic button")];
  for (const button of buttons.slice(1)) button.tabIndex = -1;
  group.addEventListener("keydown", (event) => {
    const place = buttons.indexOf(event.target);
    const next = place < 0 ? null : buttons[place + STEPS[event.key]];
    if (!next) return;
    event.preventDefault();
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}

for (const group of document.querySelectorAll(".gallery, .examples")) moveByArrows(group);

const dialog = document.querySelector("dialog");
if (dialog) {
  const place = dialog.querySelector("[data-place]");
  const title = dialog.querySelector("h2");
  const steps = dialog.querySelectorAll("[data-step]");
  let opened = null;
  const beside = (step) => {
    const all = [...opened.closest(GROUPS).querySelectorAll("[aria-haspopup]")];
    const shown = all.filter((button) => !button.closest("[hidden]"));
    return shown[shown.indexOf(opened) + step];
  };
  const open = (button) => {
    opened = button;
    const image = button.querySelector("img");
    const { details } = button.dataset;
    const source = details ? document.getElementById(details) : button.nextElementSibling;
    const facts = source.content.cloneNode(true);
    const large = facts.querySelector("img");
    title.textContent = button.dataset.title;
    if (large) large.alt = image.alt;
    place.replaceChildren(...(image && !large ? [image.cloneNode()] : []), facts);
    for (const spot of place.querySelectorAll("[data-copy]")) {
      const copy = document.getElementById(spot.dataset.copy).cloneNode(true);
      copy.removeAttribute("id");
      spot.replaceWith(copy);
    }
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    for (const step of steps) step.disabled = !beside(Number(step.dataset.step));
  };
  document.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) return dialog.close();
    const step = event.target.closest("[data-step]");
    if (step) return open(beside(Number(step.dataset.step)));
    if (event.target.closest("a, summary, select, thead, dialog")) return;
    const within = event.target.closest("[aria-haspopup], tbody tr");
    const button = within?.matches("tr") ? within.querySelector("th [aria-haspopup]") : within;
    if (button) open(button);
  });
}

addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details.print")) details.open = true;
});

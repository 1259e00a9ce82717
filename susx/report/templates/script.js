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

function sortBy(header) {
  const body = header.closest("table").tBodies[0];
  const column = header.cellIndex;
  const value = (row) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
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

const dialog = document.querySelector("dialog");
if (dialog) {
  const place = dialog.querySelector("[data-place]");
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".pic button");
    if (button) {
      const facts = button.parentNode.querySelector("template").content;
      place.replaceChildren(button.firstElementChild.cloneNode(), facts.cloneNode(true));
      dialog.showModal();
    } else if (event.target === dialog || event.target.closest("[data-close]")) {
      dialog.close();
    }
  });
}

addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details.print")) details.open = true;
});

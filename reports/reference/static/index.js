// Filters the index. Without this script all claims stay, and the form does not show.
"use strict";
(() => {
  const form = document.querySelector("form.filter");
  if (!form) return;
  const rows = [...document.querySelectorAll("[data-section]")];
  const groups = [...document.querySelectorAll("[data-group]")];
  const output = form.querySelector("output");

  function apply() {
    const wanted = new FormData(form);
    const text = (wanted.get("text") ?? "").toLowerCase();
    const same = (name, value) => !wanted.get(name) || wanted.get(name) === value;
    let visible = 0;
    for (const row of rows) {
      row.hidden = !(
        row.dataset.text.toLowerCase().includes(text) && same("section", row.dataset.section) &&
        same("grade", row.dataset.grade) && same("group", row.closest("[data-group]").dataset.group)
      );
      visible += !row.hidden;
    }
    const all = visible === rows.length;
    for (const group of groups) {
      group.hidden = !group.querySelector("[data-section]:not([hidden])");
      if (group.localName === "details" && !all) group.open = true;
    }
    output.textContent = all ? "" : `${visible} of ${rows.length} claims`;
  }

  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  apply(); // a browser may have kept the choices of an earlier visit
})();

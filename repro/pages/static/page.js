// Draws every figure again with Vega, so that it answers to a pointer. Without this script the static drawings stay.
"use strict";
(() => {
  if (typeof vegaEmbed !== "function") return;
  const narrow = window.matchMedia("(max-width: 47.99rem)");
  const chosen = new Map();

  async function draw(id, chart, spec) {
    const view = spec.views[chosen.get(id) ?? ""][narrow.matches ? "narrow" : "wide"];
    const place = document.createElement("div");
    place.className = "live";
    place.hidden = true;
    chart.append(place);
    await vegaEmbed(place, { ...view, config: spec.config, datasets: spec.datasets }, {
      mode: "vega-lite", renderer: "svg", actions: false, defaultStyle: false,
      tooltip: { disableDefaultStyle: true },
    });
    const svg = place.querySelector("svg");
    for (const part of svg.querySelectorAll("[role]")) {
      part.removeAttribute("role"); // the drawing has its words as a whole
      part.removeAttribute("aria-roledescription");
    }
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", chart.dataset.alt);
    for (const old of chart.children) if (old !== place) old.hidden = true;
    for (const old of [...chart.querySelectorAll(".live")]) if (old !== place) old.remove();
    place.hidden = false;
  }

  for (const script of document.querySelectorAll('script[type="application/json"][data-for]')) {
    const id = script.dataset.for;
    const chart = document.getElementById(`${id}-chart`);
    const spec = JSON.parse(script.textContent);
    const redraw = () => draw(id, chart, spec);
    const control = document.querySelector(`fieldset[data-for="${id}"]`);
    if (control) {
      control.hidden = false;
      control.addEventListener("change", (event) => { chosen.set(id, event.target.value); redraw(); });
    }
    narrow.addEventListener("change", redraw);
    redraw();
  }
})();

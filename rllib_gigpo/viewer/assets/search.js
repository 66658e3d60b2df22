// Search over the recorded steps; the rows of an iteration are loaded when they are needed.
"use strict";

(() => {
  const { element, number } = view;
  const ROWS = 200; // in the document at a time
  const loaded = new Map();
  const form = document.getElementById("search");
  const body = document.querySelector("#steps tbody");
  const pages = document.getElementById("pages");
  const found = document.getElementById("found");
  let page = 0;

  view.addSteps = (iteration, rows) => {
    loaded.set(iteration, rows);
    for (const tag of new Set(rows.flatMap((row) => row.tags))) {
      if (![...form.tag.options].some((option) => option.value === tag)) form.tag.append(element("option", {}, tag));
    }
  };

  function load(iteration) {
    return new Promise((resolve) => {
      const script = element("script", { src: `steps-${iteration}.js`, onload: resolve, onerror: resolve });
      document.head.append(script);
    });
  }

  function matches(row) {
    const text = form.text.value.toLowerCase();
    return (!form.outcome.value || row.outcome === form.outcome.value)
      && (!form.answer.value || row[form.answer.value])
      && (!form.tag.value || row.tags.includes(form.tag.value))
      && (!text || [row.state, row.response, row.action].some((one) => one.toLowerCase().includes(text)));
  }

  function rowOf([iteration, row]) {
    const link = `group-${iteration}-${row.group}.html`;
    return element("tr", {},
      element("td", {}, String(iteration)),
      element("td", {}, element("a", { href: link }, String(row.group))),
      element("td", {}, element("a", { href: `${link}#${row.member}-${row.step}` }, String(row.member)), " ",
        element("span", { class: `outcome ${row.outcome}` }, row.outcome)),
      element("td", {}, String(row.step)),
      element("td", { class: "text" }, row.state.slice(0, 200)),
      element("td", { class: row.is_invalid ? "text bad" : "text" }, row.action || row.response.slice(0, 100)),
      element("td", {}, number(row.reward)),
      element("td", { class: view.colour(row.advantage) }, number(row.advantage)));
  }

  function turn(label, to, isPossible) {
    const button = element("button", { type: "button", disabled: !isPossible }, label);
    button.addEventListener("click", () => { page = to; show(); });
    return button;
  }

  function show() {
    const wanted = form.iteration.value ? [Number(form.iteration.value)] : view.data.iterations;
    const rows = wanted.flatMap((iteration) => (loaded.get(iteration) ?? []).filter(matches).map((row) => [iteration, row]));
    const last = Math.max(0, Math.ceil(rows.length / ROWS) - 1);
    page = Math.min(page, last);
    body.replaceChildren(...rows.slice(page * ROWS, (page + 1) * ROWS).map(rowOf));
    found.textContent = `${rows.length} steps`;
    pages.replaceChildren(turn("earlier", page - 1, page > 0), ` page ${page + 1} of ${last + 1} `, turn("later", page + 1, page < last));
  }

  form.addEventListener("input", () => { page = 0; show(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  view.draw(async (data) => {
    for (const iteration of data.iterations) {
      if (loaded.has(iteration)) continue;
      loaded.set(iteration, []);
      form.iteration.append(element("option", {}, String(iteration)));
      found.textContent = `loading iteration ${iteration}`;
      await load(iteration);
    }
    show();
  });
})();

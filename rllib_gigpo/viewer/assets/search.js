// Search over the recorded steps. The newest iterations are loaded at once, older ones on demand.
"use strict";

(() => {
  const { element, number } = view;
  const ROWS = 200; // in the document at a time
  const ENOUGH = 10000; // steps to load at a time
  const loaded = new Map(); // iteration -> rows
  const sizes = new Map(); // iteration -> size of the transcript that they are from
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

  function load(iteration, size) {
    sizes.set(iteration, size);
    return new Promise((resolve) => {
      const address = `steps-${iteration}.js` + (loaded.has(iteration) ? `?${size}` : "");
      const failed = () => { sizes.delete(iteration); resolve(); };
      document.head.append(element("script", { src: address, onload: resolve, onerror: failed }));
    });
  }

  // Load iterations, the newest first, until there are enough steps more.
  async function loadMore(wanted) {
    let count = 0;
    for (const [iteration, size] of wanted) {
      if (sizes.get(iteration) === size) continue;
      found.textContent = `loading iteration ${iteration}`;
      await load(iteration, size);
      count += (loaded.get(iteration) ?? []).length;
      if (count >= ENOUGH) break;
    }
    show();
  }

  function missing() {
    return newestFirst().filter(([iteration, size]) => sizes.get(iteration) !== size);
  }

  function newestFirst() {
    return [...view.data.iterations].reverse();
  }

  function matches(row) {
    const text = form.text.value.toLowerCase();
    return (!form.outcome.value || row.outcome === form.outcome.value)
      && (!form.answer.value || row[form.answer.value])
      && (!form.tag.value || row.tags.includes(form.tag.value))
      && (!text || [row.state, row.response, row.action].some((one) => one.toLowerCase().includes(text)));
  }

  // The part of a text around what was searched for, with a mark on it.
  function excerpt(text, length) {
    const wanted = form.text.value;
    const at = wanted ? text.toLowerCase().indexOf(wanted.toLowerCase()) : -1;
    if (at < 0) return [text.slice(0, length)];
    const first = Math.max(0, at - Math.floor(length / 3));
    const end = at + wanted.length;
    return [(first ? "…" : "") + text.slice(first, at), element("mark", {}, text.slice(at, end)), text.slice(end, first + length)];
  }

  function rowOf([iteration, row]) {
    const link = `group-${iteration}-${row.group}.html`;
    return element("tr", {},
      element("td", {}, String(iteration)),
      element("td", {}, element("a", { href: link }, String(row.group))),
      element("td", {}, `${row.member} `, element("span", { class: `outcome ${row.outcome}` }, row.outcome)),
      element("td", {}, element("a", { href: `${link}#${row.member}-${row.step}` }, String(row.step))),
      element("td", { class: "text" }, ...excerpt(row.state, 200)),
      element("td", { class: row.is_invalid ? "text bad" : "text" }, ...excerpt(row.action || row.response, 100)),
      element("td", {}, number(row.reward)),
      element("td", { class: view.colour(row.advantage) }, number(row.advantage)));
  }

  function turn(label, to, isPossible) {
    const button = element("button", { type: "button", disabled: !isPossible }, label);
    button.addEventListener("click", () => { page = to; show(); });
    return button;
  }

  function show() {
    const chosen = Number(form.iteration.value);
    const wanted = form.iteration.value ? [chosen] : view.data.iterations.map(([iteration]) => iteration);
    const rows = wanted.flatMap((iteration) => (loaded.get(iteration) ?? []).filter(matches).map((row) => [iteration, row]));
    const last = Math.max(0, Math.ceil(rows.length / ROWS) - 1);
    page = Math.min(page, last);
    body.replaceChildren(...rows.slice(page * ROWS, (page + 1) * ROWS).map(rowOf));
    found.replaceChildren(rows.length ? `${rows.length} steps` : "No step matches.");
    const unread = missing().length;
    if (unread) {
      const button = element("button", { type: "button" }, "search older iterations too");
      button.addEventListener("click", () => loadMore(missing()));
      found.append(`; ${unread} iterations are not loaded `, button);
    }
    pages.replaceChildren(turn("previous", page - 1, page > 0), ` page ${page + 1} of ${last + 1} `, turn("next", page + 1, page < last));
  }

  form.addEventListener("input", () => {
    page = 0;
    const chosen = missing().filter(([iteration]) => String(iteration) === form.iteration.value);
    if (chosen.length) loadMore(chosen);
    else show();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  view.draw((data) => {
    const known = new Set([...form.iteration.options].map((option) => option.value));
    for (const [iteration] of data.iterations) {
      if (!known.has(String(iteration))) form.iteration.append(element("option", {}, String(iteration)));
    }
    const isFirst = loaded.size === 0;
    const newest = Math.max(0, ...loaded.keys());
    loadMore(isFirst ? newestFirst() : missing().filter(([iteration]) => iteration >= newest || loaded.has(iteration)));
  });
})();

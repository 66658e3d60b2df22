// The lanes of a group, and the panel with the step that was clicked.
"use strict";

(() => {
  const { element, number } = view;
  const MOST_CELLS = 400;
  const lanes = document.getElementById("lanes");
  const windows = document.getElementById("windows");
  const panel = document.getElementById("step");
  const wide = Math.max(1, Math.floor(MOST_CELLS / view.data.episodes.length));
  const SVG = "http://www.w3.org/2000/svg";
  let cells = [];

  const ink = (hue) => (hue === null ? "var(--line)" : `hsl(${hue} 65% 50%)`);

  function credit(name, value) {
    return element("span", { class: view.colour(value) }, `${name} ${number(value)} `);
  }

  function penalty(step) {
    return step.penalty ? `penalty ${number(step.penalty)} ` : "";
  }

  function drawn(png) {
    return element("img", { src: `data:image/png;base64,${png}`, alt: "what the agent saw" });
  }

  function picture(step) {
    return step.image ? [drawn(step.image)] : [];
  }

  function cellOf(episode, step) {
    const anchor = view.data.anchors[step.anchor];
    const isWrong = !step.is_valid || !step.is_admissible;
    const kind = `cell${isWrong ? " wrong" : ""}${step.is_replayed ? " repeated" : ""}`;
    const cell = element("button", { class: kind, type: "button", title: anchor.text },
      ...picture(step),
      element("span", { class: "action" }, `${step.step}. ${step.role && `${step.role}: `}${step.action || "(no action)"}`),
      element("span", { class: "credit" }, `r ${number(step.reward)} `, penalty(step), `R ${number(step.return)}`),
      element("span", { class: "credit" }, credit("A", step.advantage), credit("Aᴱ", step.episode_advantage),
        credit("Aˢ", step.step_advantage)));
    cell.style.borderLeftColor = ink(anchor.hue);
    cell.addEventListener("click", () => open(episode, step, cell));
    cell.addEventListener("mouseenter", () => near(step.anchor, true));
    cell.addEventListener("mouseleave", () => near(step.anchor, false));
    if (!step.is_replayed) cells.push({ cell, anchor: step.anchor });
    return cell;
  }

  function near(anchor, isNear) {
    for (const path of lanes.querySelectorAll(`path[data-anchor="${anchor}"]`)) path.classList.toggle("near", isNear);
  }

  // Join the cells of each anchor, from one to the next.
  function join() {
    const drawing = document.createElementNS(SVG, "svg");
    const last = new Map();
    for (const { cell, anchor } of cells) {
      const from = last.get(anchor);
      last.set(anchor, cell);
      const { hue } = view.data.anchors[anchor];
      if (!from || hue === null) continue;
      const path = document.createElementNS(SVG, "path");
      const [x1, y1] = [from.offsetLeft, from.offsetTop + from.offsetHeight / 2];
      const [x2, y2] = [cell.offsetLeft, cell.offsetTop + cell.offsetHeight / 2];
      path.setAttribute("d", `M${x1},${y1} C${x1 - 18},${y1} ${x2 - 18},${y2} ${x2},${y2}`);
      path.setAttribute("data-anchor", anchor);
      path.style.stroke = ink(hue);
      drawing.append(path);
    }
    lanes.append(drawing);
  }

  function show(first) {
    cells = [];
    lanes.replaceChildren(...view.data.episodes.map((episode) => element("div", { class: "lane" },
      element("b", {}, `episode ${episode.member} `,
        element("span", { class: `outcome ${episode.outcome}` }, episode.outcome),
        element("div", { class: "faint" }, `return ${number(episode.reward)}`),
        ...(episode.fork ? [element("div", { class: "faint" }, `fork of ${episode.fork[0]} at ${episode.fork[1]}`)] : [])),
      ...episode.steps.slice(first, first + wide).map((step) => cellOf(episode, step)))));
    join();
  }

  function heat(step) {
    return element("div", { class: "tokens" }, ...step.tokens.map((token, at) => {
      const logp = step.logp[at];
      const span = element("span", { title: `log-prob ${number(logp)}, probability ${number(Math.exp(logp))}` }, token);
      span.style.background = `rgb(220 60 50 / ${Math.min(0.75, -logp / 4).toFixed(2)})`;
      return span;
    }));
  }

  function open(episode, step, cell) {
    lanes.querySelectorAll(".cell.open").forEach((one) => one.classList.remove("open"));
    cell.classList.add("open");
    const anchor = view.data.anchors[step.anchor];
    view.open(panel,
      element("h2", {}, `Episode ${episode.member}, step ${step.step}`),
      view.facts([
        ...(step.role ? [["role", step.role]] : []),
        ...(step.is_replayed ? [["fork", `repeats a step of episode ${episode.fork[0]}`]] : []),
        ["action", step.action || "(none)"],
        ["format", step.is_valid ? "valid" : "invalid"],
        ["action is", step.is_admissible ? "admissible" : "not admissible"],
        ["answer", step.is_cut ? "ended by the token limit" : "whole"],
        ["prompt", step.is_prompt_cut ? "something was left out" : "whole"],
        ["reward r", number(step.reward)],
        ["penalty", number(step.penalty)],
        ["return R", number(step.return)],
        ["A, in the loss", number(step.advantage)],
        ["Aᴱ, of the episode", number(step.episode_advantage)],
        ["Aˢ, of the state", number(step.step_advantage)],
        ["steps from this state", anchor.count],
        ["policy version", step.version],
      ]),
      element("h2", {}, "Answer"),
      element("p", { class: "faint" }, "Redder tokens were less likely; hover for the log-prob."),
      heat(step),
      element("h2", {}, "State"), ...picture(step), element("pre", {}, anchor.text),
      element("h2", {}, "Prompt"), ...(step.images || []).map(drawn), element("pre", {}, step.prompt));
    cell.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  const longest = Math.max(...view.data.episodes.map((episode) => episode.steps.length));
  for (let first = 0; longest > wide && first < longest; first += wide) {
    const button = element("button", { type: "button" }, `steps ${first} to ${Math.min(first + wide, longest) - 1}`);
    button.addEventListener("click", () => show(first));
    windows.append(button, " ");
  }
  show(0);
  const wanted = /^#(\d+)-(\d+)$/.exec(location.hash); // episode and step
  if (wanted) {
    const [member, at] = [Number(wanted[1]), Number(wanted[2])];
    if (at >= wide) show(at - (at % wide));
    const before = view.data.episodes.findIndex((episode) => episode.member === member);
    const episode = view.data.episodes[before];
    const step = episode?.steps[at];
    const row = lanes.children[before];
    if (step) {
      row.querySelectorAll(".cell")[at % wide].scrollIntoView({ block: "center", inline: "center" });
      open(episode, step, row.querySelectorAll(".cell")[at % wide]);
    }
  }
})();

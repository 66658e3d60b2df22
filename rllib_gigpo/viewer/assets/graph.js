// The graph of a task: move, zoom, and read nodes and edges.
"use strict";

(() => {
  const { element, number, data } = view;
  const graph = document.getElementById("graph");
  const panel = document.getElementById("step");
  const box = graph.viewBox.baseVal;
  graph.style.setProperty("--height", `${document.getElementById("states").dataset.height}px`);
  const start = graph.querySelector(".node.start").transform.baseVal[0].matrix;
  const whole = [box.x, box.y, box.width, box.height];
  let held = null;
  let moved = 0; // pixels since the button went down

  function look(x, y, width, height) {
    Object.assign(box, { x, y, width, height });
  }

  // One unit of the drawing is a pixel, so that the labels can be read.
  function lookClosely() {
    const frame = graph.getBoundingClientRect();
    if (frame.width > whole[2] && frame.height > whole[3]) look(...whole);
    else look(0, start.f - frame.height / 2, frame.width, frame.height);
  }

  function steps(edge) {
    return element("p", {}, ...edge.steps.flatMap(([iteration, group, member, step]) => [
      element("a", { href: `group-${iteration}-${group}.html#${member}-${step}` }, `${iteration}/${group}/${member}/${step}`), " "]));
  }

  function edgeRow(edge) {
    return element("tr", {},
      element("td", { class: "text" }, edge.action || "(no action)"),
      element("td", {}, String(edge.count)),
      element("td", { class: view.colour(edge.advantage) }, number(edge.advantage)),
      element("td", { class: view.colour(edge.step_advantage) }, number(edge.step_advantage)),
      element("td", { class: "text" }, data.nodes[edge.target].text.slice(0, 120)));
  }

  function openNode(at) {
    const node = data.nodes[at];
    const edges = data.edges.filter((edge) => edge.source === at).sort((a, b) => b.count - a.count).slice(0, 100);
    const heads = ["action", "times", "mean A", "mean Aˢ", "leads to"].map((head) => element("th", {}, head));
    view.open(panel,
      element("h2", {}, `${node.kind === "start" ? "start" : node.kind}: ${node.visits} visits`),
      element("pre", {}, node.text),
      element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...edges.map(edgeRow))));
  }

  function openEdge(at) {
    const edge = data.edges[at];
    view.open(panel,
      element("h2", {}, edge.action || "(no action)"),
      view.facts([["times", edge.count], ["mean A", number(edge.advantage)], ["mean Aˢ", number(edge.step_advantage)]]),
      element("p", { class: "faint" }, "Steps, as iteration/group/episode/step:"),
      steps(edge),
      element("h2", {}, "from"), element("pre", {}, data.nodes[edge.source].text),
      element("h2", {}, "to"), element("pre", {}, data.nodes[edge.target].text));
  }

  function openHit(hit) {
    if (!hit) return;
    graph.querySelectorAll(".open").forEach((one) => one.classList.remove("open"));
    hit.classList.add("open");
    if ("node" in hit.dataset) openNode(Number(hit.dataset.node));
    else openEdge(Number(hit.dataset.edge));
  }

  const hitOf = (event) => event.target.closest("[data-node], [data-edge]");
  graph.addEventListener("click", (event) => { if (moved < 5) openHit(hitOf(event)); });
  graph.addEventListener("keydown", (event) => { if (event.key === "Enter") openHit(hitOf(event)); });
  document.getElementById("whole").addEventListener("click", () => look(...whole));
  document.getElementById("near").addEventListener("click", lookClosely);
  graph.addEventListener("wheel", (event) => {
    event.preventDefault();
    const scale = event.deltaY > 0 ? 1.15 : 1 / 1.15;
    const frame = graph.getBoundingClientRect();
    box.x += box.width * (1 - scale) * ((event.clientX - frame.left) / frame.width);
    box.y += box.height * (1 - scale) * ((event.clientY - frame.top) / frame.height);
    box.width *= scale;
    box.height *= scale;
  }, { passive: false });
  graph.addEventListener("pointerdown", (event) => {
    held = [event.clientX, event.clientY];
    moved = 0;
  });
  window.addEventListener("pointerup", () => { held = null; });
  graph.addEventListener("pointermove", (event) => {
    if (!held) return;
    const scale = graph.getScreenCTM().a;
    moved += Math.hypot(event.clientX - held[0], event.clientY - held[1]);
    box.x -= (event.clientX - held[0]) / scale;
    box.y -= (event.clientY - held[1]) / scale;
    held = [event.clientX, event.clientY];
  });
  if (box.width > 1.5 * graph.getBoundingClientRect().width) lookClosely();
})();

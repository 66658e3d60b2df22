// What all pages share: their data, elements with text, and following a run that goes on.
"use strict";

const view = {
  listeners: [],

  read(page) {
    const element = page.getElementById("data");
    return element ? JSON.parse(element.textContent) : null;
  },

  // Draw with the page's data, now and whenever the run has written something.
  draw(listener) {
    this.listeners.push(listener);
    listener(this.data);
  },

  // Text goes through textContent only, so that markup in it is shown as text.
  element(name, properties = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key === "class") element.className = value;
      else if (key in element) element[key] = value;
      else element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  },

  facts(pairs) {
    const { element } = this;
    return element("dl", { class: "facts" },
      ...pairs.flatMap(([term, value]) => [element("dt", {}, term), element("dd", {}, String(value))]));
  },

  // Show what was clicked beside it, until Escape or the button closes it.
  open(panel, ...children) {
    const close = this.element("button", { class: "close", type: "button", ariaLabel: "close" }, "×");
    close.addEventListener("click", () => { panel.hidden = true; });
    panel.replaceChildren(close, ...children);
    panel.hidden = false;
    panel.scrollTop = 0;
  },

  // The colour that a variable of the style sheet has now.
  ink(name) {
    const probe = document.body.appendChild(this.element("i"));
    probe.style.color = `var(${name})`;
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  },

  number(value) {
    if (value === null || value === undefined) return "–";
    return String(Number(Number(value).toPrecision(3)));
  },

  colour(value) {
    return value > 0 ? "good" : value < 0 ? "bad" : "faint";
  },

  sign(root) {
    for (const one of root.querySelectorAll(".signed")) one.classList.add(this.colour(Number(one.dataset.value)));
  },

  async text(address) {
    const answer = await fetch(address, { cache: "no-store" });
    if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
    return answer.text();
  },

  // Take over what the server has rendered again: the parts that say so, and the data.
  async renew() {
    const page = new DOMParser().parseFromString(await this.text(location.href), "text/html");
    for (const old of document.querySelectorAll("[data-follows]")) {
      const part = page.getElementById(old.id);
      this.sign(part);
      old.replaceWith(part);
    }
    this.data = this.read(page);
    for (const listener of this.listeners) listener(this.data);
    return page.body.dataset.stamp;
  },

  async follow() {
    let known = document.body.dataset.stamp;
    const light = document.getElementById("live");
    const isStill = !this.listeners.length && !document.querySelector("[data-follows]");
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 2000));
      const stamp = await this.text(document.body.dataset.root + "stamp").catch(() => null);
      light.textContent = stamp === null ? "the server has stopped" : "live";
      if (stamp !== null && stamp !== known && !isStill) known = await this.renew();
    }
  },
};

view.data = view.read(document);
window.addEventListener("keydown", (event) => {
  const panel = document.getElementById("step");
  if (event.key === "Escape" && panel) panel.hidden = true;
});
view.sign(document);
if ("stamp" in document.body.dataset) window.addEventListener("load", () => view.follow());

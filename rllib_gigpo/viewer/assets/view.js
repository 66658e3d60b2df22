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

  number(value) {
    if (value === null || value === undefined) return "–";
    return Number(value).toPrecision(3).replace(/\.?0+$/, "").replace(/\.?0+e/, "e");
  },

  colour(value) {
    return value > 0 ? "good" : value < 0 ? "bad" : "faint";
  },

  async follow() {
    let known = null;
    for (;;) {
      try {
        const stamp = await (await fetch(document.body.dataset.root + "stamp")).text();
        if (known !== null && stamp !== known && this.listeners.length) {
          const text = await (await fetch(location.href)).text();
          this.data = this.read(new DOMParser().parseFromString(text, "text/html"));
          this.listeners.forEach((listener) => listener(this.data));
        }
        known = stamp;
        document.getElementById("live").textContent = "live";
      } catch {
        document.getElementById("live").textContent = "the server has stopped";
      }
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  },
};

view.data = view.read(document);
for (const one of document.querySelectorAll(".signed")) {
  one.classList.add(view.colour(Number(one.dataset.value)));
}
if ("live" in document.body.dataset) view.follow();

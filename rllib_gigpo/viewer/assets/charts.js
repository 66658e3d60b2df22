// Curves over iterations; every run has one colour, every metric of a chart one dash.
"use strict";

(() => {
  const COLOURS = ["#1d6fd6", "#e0762b", "#27955a", "#b03ab8", "#c8322f", "#7a6a56", "#139aa8", "#8b8f1f"];
  const DASHES = ["solid", "dot", "dash", "dashdot"];
  const place = document.getElementById("charts");
  const style = getComputedStyle(document.body);
  const drawn = [];

  function trace(line, chart, runs, labels) {
    const alone = runs.length === 1;
    const isEvaluation = line.low !== undefined;
    const colour = COLOURS[(alone ? labels : runs).indexOf(alone ? line.label : line.run) % COLOURS.length];
    const result = {
      name: alone ? line.label || chart.title : [line.run, line.label].filter(Boolean).join(": "),
      x: line.x,
      y: line.y,
      mode: isEvaluation || line.x.length === 1 ? "markers+lines" : "lines",
      line: { color: colour, width: 1.6, dash: alone ? "solid" : DASHES[labels.indexOf(line.label) % 4] },
    };
    if (isEvaluation) {
      result.error_y = {
        type: "data", symmetric: false, thickness: 1, width: 2,
        array: line.y.map((value, at) => (line.high[at] === null ? 0 : line.high[at] - value)),
        arrayminus: line.y.map((value, at) => (line.low[at] === null ? 0 : value - line.low[at])),
      };
    }
    if (chart.is_stacked && alone) result.stackgroup = "all";
    return result;
  }

  view.draw((charts) => {
    charts.forEach((chart, index) => {
      drawn[index] ??= place.appendChild(view.element("div", { class: "chart" }));
      const runs = [...new Set(chart.lines.map((line) => line.run))];
      const labels = [...new Set(chart.lines.map((line) => line.label))];
      const axis = { gridcolor: view.ink("--line"), zeroline: false, exponentformat: "e" };
      Plotly.react(drawn[index], chart.lines.map((line) => trace(line, chart, runs, labels)), {
        title: { text: chart.title, font: { size: 13 } },
        margin: { l: 48, r: 12, t: 32, b: 40 },
        paper_bgcolor: "transparent",
        plot_bgcolor: "transparent",
        font: { color: style.color, size: 11 },
        xaxis: { ...axis, title: { text: "iteration", standoff: 4 } },
        yaxis: { ...axis, ...(chart.is_rate ? { range: [0, 1.02] } : { rangemode: "tozero" }) },
        showlegend: chart.lines.length > 1,
        legend: { orientation: "h", y: -0.2 },
        hovermode: "x unified",
        uirevision: "kept", // the zoom stays when the run goes on
      }, { displaylogo: false, responsive: true });
    });
  });
})();

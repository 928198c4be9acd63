// What both charts share: colors, axes, redrawing when the width or the colors change.

const SPLIT_DASH = { train: [], val: [7, 4], holdout: [2, 3] };
const drawn = [];

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function axis(extra) {
  return {
    stroke: color("dim"),
    font: "12px " + getComputedStyle(document.body).fontFamily,
    grid: { stroke: color("line"), width: 1 },
    ticks: { show: false },
    ...extra,
  };
}

/** Draws now and again whenever the width or the colors change; `options(width)` gives uPlot's options. */
function keepDrawn(element, options, data) {
  let plot = null;
  let width = 0;
  const redraw = () => {
    const now = element.clientWidth;
    if (!now) return;
    width = now;
    if (plot) plot.destroy();
    plot = new uPlot(options(now), data, element);
  };
  new ResizeObserver(() => {
    if (element.clientWidth !== width) requestAnimationFrame(redraw);
  }).observe(element);
  drawn.push(redraw);
  redraw();
}

function redrawCharts() {
  drawn.forEach((redraw) => redraw());
}

function legend(label, name, dash, spot) {
  const line = draw("line", {
    x1: "0",
    x2: "24",
    y1: "5.5",
    y2: "5.5",
    "stroke-width": "2.5",
    "stroke-dasharray": dash.join(" "),
  });
  line.style.stroke = `var(--${name})`;
  const picture = draw("svg", { viewBox: "0 0 24 11", "aria-hidden": "true" }, line);
  if (spot) {
    const dot = draw("circle", { cx: "12", cy: "5.5", r: "4" });
    dot.style.fill = `var(--${name})`;
    picture.append(dot);
  }
  return make("span", { class: "legend" }, picture, label);
}

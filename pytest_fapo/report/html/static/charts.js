// The two charts. Each has a table beside it with the same figures.

const SPLIT_DASH = { train: [], val: [7, 4], holdout: [2, 3] };
const drawn = [];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function axis(extra) {
  return {
    stroke: colour("dim"),
    font: "12px " + getComputedStyle(document.body).fontFamily,
    grid: { stroke: colour("line"), width: 1 },
    ticks: { show: false },
    ...extra,
  };
}

/** Draws now and again whenever the width or the colours change; `options(width)` gives uPlot's options. */
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
  const line = draw("line", { x1: "0", x2: "24", y1: "5.5", y2: "5.5", "stroke-width": "2.5", "stroke-dasharray": dash.join(" ") });
  line.style.stroke = `var(--${name})`;
  const picture = draw("svg", { viewBox: "0 0 24 11", "aria-hidden": "true" }, line);
  if (spot) {
    const dot = draw("circle", { cx: "12", cy: "5.5", r: "4" });
    dot.style.fill = `var(--${name})`;
    picture.append(dot);
  }
  return make("span", { class: "legend" }, picture, label);
}

// --- scores -----------------------------------------------------------------------------------------

function scoreChart() {
  const chart = report.scores;
  const element = document.getElementById("score-chart");
  if (!chart || !element) return;
  const names = Object.keys(chart.splits);
  element.before(make("p", { class: "hint" }, names.map((name) => legend(name, name, SPLIT_DASH[name], true))));
  const x = [0, ...chart.ids.map((_, place) => place + 1)];
  const won = (place) => ["accepted", "merged"].includes(chart.states[place]);
  const spots = (points, wanted) => [null, ...points.map((value, place) => (won(place) === wanted ? value : null))];
  const data = [x];
  for (const name of names) {
    const { best, points } = chart.splits[name];
    data.push(best, spots(points, true), spots(points, false));
  }
  const values = data.slice(1).flat().filter((value) => value !== null);
  const low = Math.max(0, Math.min(...values, 1) - 0.08);
  const readout = document.getElementById("score-readout");
  let hovered = 0;
  const options = (width) => ({
    width,
    height: width < 500 ? 240 : 300,
    padding: [12, 12, 0, 0],
    scales: { x: { time: false, range: [-0.3, x.length - 0.7] }, y: { range: [low, 1.02] } },
    axes: [
      axis({ size: 32, grid: { show: false }, incrs: [1, 2, 5, 10, 20, 50], values: (_, ticks) => ticks.map((tick) => (tick === 0 ? "start" : chart.ids[tick - 1] || "")) }),
      axis({ size: 52, values: (_, ticks) => ticks.map((tick) => `${Math.round(tick * 100)} %`) }),
    ],
    series: [{}, ...names.flatMap((name) => scoreSeries(name))],
    cursor: { points: { show: false }, drag: { x: false, y: false }, y: false },
    legend: { show: false },
    hooks: {
      setCursor: [(plot) => {
        hovered = plot.cursor.idx ?? 0;
        readout.textContent = visible(scoreWords(chart, names, plot.cursor.idx));
      }],
      ready: [(plot) => plot.over.addEventListener("click", () => {
        if (hovered > 0) location.hash = `candidate=${addressed(chart.ids[hovered - 1])}`;
      })],
    },
  });
  keepDrawn(element, options, data);
  document.getElementById("score-table").append(scoreTable(chart, names));
}

function scoreSeries(name) {
  const stroke = colour(name);
  const dots = (filled) => ({
    stroke,
    width: 0,
    paths: () => null,
    points: { show: true, size: filled ? 9 : 8, width: 2, stroke, fill: filled ? stroke : colour("card") },
  });
  return [
    { stroke, width: 2.2, dash: SPLIT_DASH[name], paths: uPlot.paths.stepped({ align: 1 }), points: { show: false } },
    dots(true),
    dots(false),
  ];
}

function scoreWords(chart, names, place) {
  if (place === null || place === undefined) return "Point at the chart for figures; click to open a candidate.";
  if (place === 0) return `start: ${names.map((name) => `${name} ${percent(chart.splits[name].best[0])}`).join(", ")}`;
  const candidate = report.candidates[place - 1];
  const figures = names
    .filter((name) => chart.splits[name].points[place - 1] !== null)
    .map((name) => `${name} ${percent(chart.splits[name].points[place - 1])}`);
  return `${candidate.id} ${candidate.what}: ${[candidate.state, ...figures].join(", ")}`;
}

function scoreTable(chart, names) {
  const columns = [{ label: "Candidate" }, { label: "Verdict" }, ...names.map((name) => ({ label: name, number: true })), ...names.map((name) => ({ label: `best ${name}`, number: true }))];
  const rows = chart.ids.map((id, place) => [
    candidateLink(id),
    chart.states[place],
    ...names.map((name) => percent(chart.splits[name].points[place])),
    ...names.map((name) => percent(chart.splits[name].best[place + 1])),
  ]);
  return table("Scores over candidates", columns, rows);
}

// --- spending ---------------------------------------------------------------------------------------

function spendChart() {
  const spend = report.spend;
  const element = document.getElementById("spend-chart");
  if (!spend || !element) return;
  const paid = spend.cost[spend.cost.length - 1] > 0;
  const series = [["calls", "calls sent", "train", []], ["hits", "answers from the cache", "dim", [5, 4]]];
  show(document.getElementById("spend-legend"), series.map(([, label, name, dash]) => legend(label, name, dash)), paid && legend("cost in USD", "val", []), "Vertical lines: a candidate was accepted.");
  const data = [spend.at, spend.calls, spend.hits, ...(paid ? [spend.cost] : [])];
  const readout = document.getElementById("spend-readout");
  const options = (width) => ({
    width,
    height: 260,
    padding: [12, paid ? 0 : 12, 0, 0],
    scales: { x: { time: false }, y: { range: (_, low, high) => [0, high * 1.05 || 1] }, usd: { range: (_, low, high) => [0, high * 1.05 || 1] } },
    axes: [
      axis({ size: 32, grid: { show: false }, incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600], values: (_, ticks) => ticks.map(clock) }),
      axis({ size: 60, values: (_, ticks) => ticks.map((tick) => tick.toLocaleString("en")) }),
      ...(paid ? [axis({ side: 1, scale: "usd", size: 60, grid: { show: false }, values: (_, ticks) => ticks.map((tick) => `$${tick}`) })] : []),
    ],
    series: [
      {},
      ...series.map(([, , name, dash]) => ({ stroke: colour(name), width: 2, dash, points: { show: false } })),
      ...(paid ? [{ stroke: colour("val"), width: 2, scale: "usd", points: { show: false } }] : []),
    ],
    cursor: { points: { size: 7 }, drag: { x: false, y: false }, y: false },
    legend: { show: false },
    hooks: {
      drawClear: [(plot) => acceptedLines(plot, spend.accepted)],
      setCursor: [(plot) => {
        const at = plot.cursor.idx;
        readout.textContent = at === null || at === undefined ? "Point at the chart for figures." :
          `${clock(spend.at[at])}: ${counted(spend.calls[at], "call")} sent, ${spend.hits[at].toLocaleString("en")} from the cache${paid ? `, $${spend.cost[at].toFixed(4)}` : ""}`;
      }],
    },
  });
  readout.textContent = "Point at the chart for figures.";
  keepDrawn(element, options, data);
  const columns = [{ label: "Candidate" }, { label: "Verdict" }, { label: "Calls sent", number: true }, { label: "From the cache", number: true }, { label: "Cost" }, { label: "Time", number: true }];
  const rows = report.candidates.map((each) => [candidateLink(each.id), each.state, each.calls.toLocaleString("en"), each.hits.toLocaleString("en"), each.cost, each.time]);
  document.getElementById("spend-table").append(table("Calls and cost per candidate", columns, rows));
}

function acceptedLines(plot, accepted) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = colour("good");
  ctx.fillStyle = colour("good");
  ctx.font = `${11 * devicePixelRatio}px ${getComputedStyle(document.body).fontFamily}`;
  let free = -Infinity;
  for (const [at, id] of accepted) {
    const x = Math.round(plot.valToPos(at, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.globalAlpha = 0.5;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const wide = ctx.measureText(id).width + 6 * devicePixelRatio;
    if (x - wide < free) continue;
    ctx.globalAlpha = 1;
    ctx.textAlign = "right";
    ctx.fillText(id, x - 3 * devicePixelRatio, bbox.top + 10 * devicePixelRatio);
    free = x;
  }
  ctx.restore();
}

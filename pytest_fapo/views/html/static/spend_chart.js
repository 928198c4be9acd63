// Calls, answers from the cache and cost over time, with a table of the figures per candidate.

const SPEND_LINES = [
  ["calls", "calls sent", "train", []],
  ["hits", "answers from the cache", "dim", [5, 4]],
];
const ROUND_SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600];

function spendChart() {
  const spend = report.spend;
  const element = document.getElementById("spend-chart");
  if (!spend || !element) return;
  const paid = spend.cost[spend.cost.length - 1] > 0;
  show(
    document.getElementById("spend-legend"),
    SPEND_LINES.map(([, label, name, dash]) => legend(label, name, dash)),
    paid && legend("cost in USD", "val", []),
    "Vertical lines: a candidate was accepted.",
  );
  const data = [spend.at, spend.calls, spend.hits, ...(paid ? [spend.cost] : [])];
  document.getElementById("spend-readout").textContent = spendWords(spend, paid, null);
  keepDrawn(element, (width) => spendOptions(spend, paid, width), data);
  document.getElementById("spend-table").append(spendTable());
}

function spendOptions(spend, paid, width) {
  const readout = document.getElementById("spend-readout");
  const fromZero = { range: (_, low, high) => [0, high * 1.05 || 1] };
  const line = (name, dash, scale) => ({
    stroke: color(name),
    width: 2,
    dash,
    scale,
    points: { show: false },
  });
  const usd = { side: 1, scale: "usd", size: 60, grid: { show: false } };
  return {
    width,
    height: 260,
    padding: [12, paid ? 0 : 12, 0, 0],
    scales: { x: { time: false }, y: fromZero, usd: fromZero },
    axes: [
      axis({
        size: 32,
        grid: { show: false },
        incrs: ROUND_SECONDS,
        values: (_, ticks) => ticks.map(clock),
      }),
      axis({ size: 60, values: (_, ticks) => ticks.map((tick) => tick.toLocaleString("en")) }),
      ...(paid ? [axis({ ...usd, values: (_, ticks) => ticks.map((tick) => `$${tick}`) })] : []),
    ],
    series: [
      {},
      ...SPEND_LINES.map(([, , name, dash]) => line(name, dash, "y")),
      ...(paid ? [line("val", [], "usd")] : []),
    ],
    cursor: { points: { size: 7 }, drag: { x: false, y: false }, y: false },
    legend: { show: false },
    hooks: {
      drawClear: [(plot) => acceptedLines(plot, spend.accepted)],
      setCursor: [(plot) => (readout.textContent = spendWords(spend, paid, plot.cursor.idx))],
    },
  };
}

function spendWords(spend, paid, place) {
  if (place === null || place === undefined) return "Point at the chart for figures.";
  const cost = paid ? `, $${spend.cost[place].toFixed(4)}` : "";
  const hits = spend.hits[place].toLocaleString("en");
  return `${clock(spend.at[place])}: ${counted(spend.calls[place], "call")} sent, ${hits} from the cache${cost}`;
}

function spendTable() {
  const columns = [
    { label: "Candidate" },
    { label: "Verdict" },
    { label: "Calls sent", number: true },
    { label: "From the cache", number: true },
    { label: "Cost" },
    { label: "Time", number: true },
  ];
  const rows = report.candidates.map((each) => [
    candidateLink(each.id),
    each.state,
    `${each.calls.toLocaleString("en")}${each.testCalls}`,
    each.hits.toLocaleString("en"),
    each.cost,
    each.time,
  ]);
  return table("Calls and cost per candidate", columns, rows);
}

/** Behind the lines: the moments at which a candidate was accepted. */
function acceptedLines(plot, accepted) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = color("good");
  ctx.fillStyle = color("good");
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

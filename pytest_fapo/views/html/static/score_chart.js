// The score per split over the candidates, with a table of the same figures.

function scoreChart() {
  const chart = report.scores;
  const element = document.getElementById("score-chart");
  if (!chart || !element) return;
  const names = Object.keys(chart.splits);
  const legends = names.map((name) => legend(name, name, SPLIT_DASH[name], true));
  element.before(make("p", { class: "hint" }, legends));
  keepDrawn(element, (width) => scoreOptions(chart, names, width), scoreData(chart, names));
  document.getElementById("score-table").append(scoreTable(chart, names));
}

/** Per split three series: the best tree so far, what won, what lost. */
function scoreData(chart, names) {
  const won = (place) => ["accepted", "merged"].includes(chart.states[place]);
  const spots = (points, wanted) => [
    null,
    ...points.map((value, place) => (won(place) === wanted ? value : null)),
  ];
  const data = [[0, ...chart.ids.map((_, place) => place + 1)]];
  for (const name of names) {
    const { best, points } = chart.splits[name];
    data.push(best, spots(points, true), spots(points, false));
  }
  return data;
}

function scoreOptions(chart, names, width) {
  const readout = document.getElementById("score-readout");
  const values = names.flatMap((name) => [...chart.splits[name].best, ...chart.splits[name].points]);
  const low = Math.max(0, Math.min(1, ...values.filter((value) => value !== null)) - 0.08);
  let hovered = 0;
  const point = (plot) => {
    hovered = plot.cursor.idx ?? 0;
    readout.textContent = visible(scoreWords(chart, names, plot.cursor.idx));
  };
  const open = () => {
    if (hovered > 0) location.hash = `candidate=${addressed(chart.ids[hovered - 1])}`;
  };
  return {
    width,
    height: width < 500 ? 240 : 300,
    padding: [12, 12, 0, 0],
    scales: { x: { time: false, range: [-0.3, chart.ids.length + 0.3] }, y: { range: [low, 1.02] } },
    axes: [
      axis({
        size: 32,
        grid: { show: false },
        incrs: [1, 2, 5, 10, 20, 50],
        values: (_, ticks) => ticks.map((tick) => (tick === 0 ? "start" : chart.ids[tick - 1] || "")),
      }),
      axis({ size: 52, values: (_, ticks) => ticks.map((tick) => `${Math.round(tick * 100)} %`) }),
    ],
    series: [{}, ...names.flatMap((name) => scoreSeries(name))],
    cursor: { points: { show: false }, drag: { x: false, y: false }, y: false },
    legend: { show: false },
    hooks: { setCursor: [point], ready: [(plot) => plot.over.addEventListener("click", open)] },
  };
}

function scoreSeries(name) {
  const stroke = color(name);
  const dots = (filled) => ({
    stroke,
    width: 0,
    paths: () => null,
    points: { show: true, size: filled ? 9 : 8, width: 2, stroke, fill: filled ? stroke : color("card") },
  });
  return [
    {
      stroke,
      width: 2.2,
      dash: SPLIT_DASH[name],
      paths: uPlot.paths.stepped({ align: 1 }),
      points: { show: false },
    },
    dots(true),
    dots(false),
  ];
}

function scoreWords(chart, names, place) {
  if (place === null || place === undefined)
    return "Point at the chart for figures; click to open a candidate.";
  if (place === 0)
    return `start: ${names.map((name) => `${name} ${percent(chart.splits[name].best[0])}`).join(", ")}`;
  const candidate = report.candidates[place - 1];
  const figures = names
    .filter((name) => chart.splits[name].points[place - 1] !== null)
    .map((name) => `${name} ${percent(chart.splits[name].points[place - 1])}`);
  return `${candidate.id} ${candidate.what}: ${[candidate.state, ...figures].join(", ")}`;
}

function scoreTable(chart, names) {
  const columns = [
    { label: "Candidate" },
    { label: "Verdict" },
    ...names.map((name) => ({ label: name, number: true })),
    ...names.map((name) => ({ label: `best ${name}`, number: true })),
  ];
  const rows = chart.ids.map((id, place) => [
    candidateLink(id),
    chart.states[place],
    ...names.map((name) => percent(chart.splits[name].points[place])),
    ...names.map((name) => percent(chart.splits[name].best[place + 1])),
  ]);
  return table("Scores over candidates", columns, rows);
}

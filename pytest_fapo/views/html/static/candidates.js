// The list of candidates, and one candidate: diff, hypothesis, reviews, verdict, effect on every case.

const candidatePlaces = new Map(report.candidates.map((each, place) => [each.id, place]));

function candidateLink(id) {
  return make("a", { href: `#candidate=${addressed(id)}` }, id);
}

let stateShown = "";

const KEPT = new Set(["accepted", "merged"]);

function openCandidates() {
  const counts = new Map();
  for (const each of report.candidates) counts.set(each.state, (counts.get(each.state) || 0) + 1);
  const chip = (state, label, number) =>
    make(
      "button",
      {
        type: "button",
        "aria-pressed": String(stateShown === state),
        "data-state": state,
        click: () => {
          stateShown = state;
          openCandidates();
          document.querySelector(`#candidate-filters [data-state="${state}"]`).focus();
        },
      },
      label[0].toUpperCase() + label.slice(1),
      " ",
      make("span", null, number),
    );
  show(
    document.getElementById("candidate-filters"),
    make(
      "fieldset",
      { class: "chips" },
      make("legend", { class: "unseen" }, "Verdict"),
      chip("", "All", report.candidates.length),
      [...counts].map(([state, number]) => chip(state, state, number)),
    ),
  );
  const found = report.candidates.filter((each) => !stateShown || each.state === stateShown);
  const rows = (some) => (some.length ? make("div", { class: "rows" }, candidatesTable(some)) : null);
  const kept = stateShown ? [] : found.filter((each) => KEPT.has(each.state));
  const rest = found.filter((each) => !kept.includes(each));
  const folded =
    kept.length && rest.length
      ? make("details", { class: "more" }, make("summary", null, `${rest.length} not accepted`), rows(rest))
      : rows(rest);
  show(document.getElementById("candidates-table"), rows(kept), folded);
}

function candidatesTable(found) {
  const splits = report.scores ? Object.keys(report.scores.splits) : [];
  const score = (each, split) => {
    const change = each.scores[split];
    return make(
      "td",
      { class: change ? "number" : "number dim empty", "data-label": split },
      change ? percent(change[1]) : "–",
      change &&
        make(
          "div",
          { class: `tags ${change[1] < change[0] ? "bad" : change[1] > change[0] ? "good" : ""}` },
          points(...change),
        ),
    );
  };
  const head = ["Candidate", "Verdict", "Change", ...splits, "Fixed", "Broken"].map((label, place) =>
    make("th", { scope: "col", class: place > 2 ? "number" : null }, label),
  );
  const rows = found.map((each) =>
    make(
      "tr",
      null,
      make(
        "th",
        { scope: "row" },
        candidateLink(each.id),
        each.parent && make("div", { class: "tags" }, `on ${each.parent}`),
      ),
      make("td", null, badge(each.state)),
      make(
        "td",
        { class: "text" },
        make("span", null, each.what),
        make("div", { class: "tags said" }, each.outcome),
      ),
      splits.map((split) => score(each, split)),
      make(
        "td",
        { class: `number ${each.fixed ? "good" : "dim"}`, "data-label": "fixed" },
        each.fixed.toLocaleString("en"),
      ),
      make(
        "td",
        { class: `number ${each.broken ? "bad" : "dim"}`, "data-label": "broken" },
        each.broken.toLocaleString("en"),
      ),
    ),
  );
  return make(
    "table",
    null,
    make("caption", { class: "unseen" }, "Candidates"),
    make("thead", null, make("tr", null, head)),
    make("tbody", null, rows),
  );
}

async function openCandidate(id) {
  const at = candidatePlaces.get(id);
  const place = document.getElementById("view-candidate");
  if (at === undefined) return showNowhere(place, "candidate", id, "#candidates");
  const each = report.candidates[at];
  const detail = await unpack(`candidate-${at}`);
  const edits = detail.edits.map((edit) => editDifference(...edit));
  show(
    place,
    candidateCrumbs(at),
    make("h1", { tabindex: "-1" }, `${each.id}: ${each.what}`),
    make(
      "p",
      { class: "labels" },
      badge(each.state),
      make("span", null, `level ${each.level}`),
      make("span", null, `by ${each.proposer}`),
      relations(each),
    ),
    hypothesisCard(each, detail),
    verdictCard(each, detail),
    card("Changes", edits.length ? edits : make("p", { class: "hint" }, "The proposer gave no edit.")),
    reviewCard(detail),
    effectsCard(each, detail),
  );
  return `${each.id} ${each.what}`;
}

function hypothesisCard(each, detail) {
  const facts = [
    each.cause && `Cause: ${each.cause}.`,
    detail.targets && `Meant to fix ${counted(detail.targets, "failing test")}.`,
    detail.quoted.length &&
      `Quotes ${counted(detail.quoted.length, "train case")} as examples: ${detail.quoted.join(", ")}.`,
  ];
  return card(
    "Hypothesis",
    make("p", { dir: "auto" }, detail.hypothesis),
    make("p", { class: "hint" }, facts.filter(Boolean).join(" ")),
  );
}

function candidateCrumbs(at) {
  const step = (to, label, rel) =>
    report.candidates[to]
      ? make("a", { href: `#candidate=${addressed(report.candidates[to].id)}`, rel }, label)
      : make("span", { class: "dim" }, label);
  return make(
    "nav",
    { class: "crumbs", "aria-label": "Candidates" },
    make("a", { href: "#candidates", rel: "up" }, "↑ All candidates"),
    make(
      "span",
      { class: "steps" },
      step(at - 1, "← Previous", "prev"),
      make("span", { class: "dim" }, `${at + 1} / ${report.candidates.length}`),
      step(at + 1, "Next →", "next"),
    ),
  );
}

function relations(each) {
  const names = (ids) => ids.map((id, place) => [place ? " and " : "", candidateLink(id)]);
  return [
    make("span", null, "on ", each.parent ? candidateLink(each.parent) : "your files"),
    each.merges.length ? make("span", null, "merges ", names(each.merges)) : null,
    each.repairs && make("span", null, "repairs ", candidateLink(each.repairs)),
    each.kept && make("span", null, "went into ", candidateLink(each.kept)),
  ];
}

function verdictCard(each, detail) {
  const graded = each.objectives.map(([metric, split, before, after, gain]) => [
    `${metric}, ${split}`,
    before,
    after,
    make("span", { class: gain < 0 ? "bad" : gain > 0 ? "good" : "dim" }, Number(gain.toPrecision(3)) || "±0"),
  ]);
  const shares = Object.entries(each.scores).map(([split, [before, after]]) => [
    split,
    percent(before),
    percent(after),
    make("span", { class: after < before ? "bad" : after > before ? "good" : "dim" }, points(before, after)),
  ]);
  const rows = [...graded, ...shares];
  const amount = (value) =>
    detail.effectOf ? Math.abs(value).toPrecision(3) : `${Math.abs(value * 100).toFixed(1)} points`;
  const signed = (value) => `${value < 0 ? "−" : "+"}${amount(value)}`;
  const facts = [
    each.stage && `Decided at the stage ${each.stage}.`,
    `Policy ${detail.policy}.`,
    detail.effect !== null &&
      `Effect on train${detail.effectOf && ` in ${detail.effectOf}`} ${signed(detail.effect)}${detail.interval ? `, 95 % interval ${signed(detail.interval[0])} to ${signed(detail.interval[1])}` : ""}${detail.p !== null ? `, p = ${detail.p.toPrecision(2)}` : ""}.`,
    detail.hidden ? `${counted(detail.hidden, "held-out test")} newly broken.` : "",
    `${counted(each.calls, "call")} sent${each.testCalls}, ${each.hits.toLocaleString("en")} from the cache${each.testHits}, ${each.time}.`,
  ].filter(Boolean);
  return card(
    "Verdict",
    make("p", null, badge(each.state), " ", detail.reason),
    rows.length
      ? table(
          "Scores with this candidate",
          [
            { label: "Split" },
            { label: "Before", number: true },
            { label: "After", number: true },
            { label: "Change", number: true },
          ],
          rows,
        )
      : make("p", { class: "hint" }, "No score was measured."),
    make("p", { class: "hint" }, facts.join(" ")),
  );
}

function reviewCard(detail) {
  const items = detail.problems.map(([check, text, address, blocks]) =>
    make(
      "li",
      null,
      badge(blocks ? "blocks" : "remark", blocks ? "broken" : "changed"),
      " ",
      make("strong", null, check),
      " ",
      make("span", { dir: "auto" }, text),
      address && make("span", { class: "dim" }, ` ${address}`),
    ),
  );
  return card(
    "Review",
    items.length ? make("ul", { class: "problems" }, items) : make("p", { class: "dim" }, "No objection."),
    detail.revised &&
      make("p", { class: "hint" }, "The candidate was revised once after a review had blocked it."),
  );
}

function effectsCard(each, detail) {
  const labels = { broken: "broken", fixed: "fixed", noise: "noise", changed: "other output" };
  const columns = [
    { label: "Case" },
    { label: "Effect" },
    { label: "Test" },
    { label: "Output and reason with this candidate" },
  ];
  const row = ([kind, number, test, output, why]) => [
    number >= 0 ? caseLink(cases[number]) : test,
    badge(labels[kind], kind),
    number >= 0 ? test : "",
    [
      output && make("code", { class: "cut", dir: "auto" }, output),
      why && make("pre", { class: "data why", dir: "auto" }, why),
    ],
  ];
  const body = make("div", { class: "scroll" });
  const more = make("p");
  let shown = 0;
  const extend = () => {
    shown += 50;
    show(body, table("Effect on every case", columns, detail.effects.slice(0, shown).map(row), "effects"));
    const left = detail.effects.length - shown;
    show(
      more,
      left > 0
        ? make(
            "button",
            { type: "button", click: extend },
            left > 50 ? `Show 50 more of ${left.toLocaleString("en")}` : `Show the last ${left}`,
          )
        : null,
    );
  };
  extend();
  const number = (kind) => detail.effects.filter((effect) => effect[0] === kind).length;
  const summary = Object.entries(labels)
    .filter(([kind]) => number(kind))
    .map(([kind, label]) => `${number(kind).toLocaleString("en")} ${label}`)
    .join(", ");
  return card(
    "Effect on every case",
    make(
      "p",
      { class: "hint" },
      summary
        ? `${summary}; all other tests gave the same, or were not run.`
        : "No test is known to have come out differently.",
    ),
    detail.effects.length ? [body, more] : null,
  );
}

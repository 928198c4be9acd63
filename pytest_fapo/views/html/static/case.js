// One case: its tests, what is known of its failure, and its trace before and after.

async function openCase(key) {
  const each = caseKeys.get(key);
  const place = document.getElementById("view-case");
  if (!each) return showNowhere(place, "case", key, "#cases");
  const pack = await unpack(`cases-${Math.floor(each.number / report.cases.per)}`);
  const detail = pack[each.number % report.cases.per];
  show(
    place,
    crumbs(each),
    make("h1", { tabindex: "-1", id: "case-title", dir: "auto" }, each.id),
    make(
      "p",
      { class: "labels" },
      badge(STATUS[each.status], each.status),
      each.changed && badge("other output", "changed"),
      make("span", null, each.split),
      report.cases.pipelines.length > 1 && make("span", null, each.pipeline),
      each.tags.map((tag) => badge(tag, "plain")),
      detail.weight !== 1 && make("span", null, `weight ${detail.weight}`),
      detail.origin && make("span", null, detail.origin),
    ),
    each.split === "holdout" &&
      make(
        "p",
        { class: "note" },
        "A held-out case. What you read here and write into a prompt makes the held-out score worthless.",
      ),
    testsCard(detail),
    dataCard(detail),
    foundCard(detail, each),
    gateCard(detail),
    detail.runs.map((run) => runCard(run, detail.runs.length, faultOf(detail, each))),
    !detail.runs.length &&
      make(
        "section",
        { class: "card" },
        make("h2", null, "Trace"),
        make("p", { class: "hint" }, "The pipeline was not traced for this case."),
      ),
  );
  return each.id;
}

function crumbs(each) {
  const order = listedCases();
  const at = order.indexOf(each);
  const step = (by, label) => {
    const other = at < 0 ? null : order[at + by];
    return other
      ? make("a", { href: caseHash(other), rel: by < 0 ? "prev" : "next" }, label)
      : make("span", { class: "dim" }, label);
  };
  const filtered = order.length === cases.length ? "All cases" : `${counted(order.length, "case")} found`;
  return make(
    "nav",
    { class: "crumbs", "aria-label": "Cases" },
    make("a", { href: listHash(), rel: "up" }, `↑ ${filtered}`),
    make(
      "span",
      { class: "steps" },
      step(-1, "← Previous"),
      at >= 0 &&
        make(
          "span",
          { class: "dim" },
          `${(at + 1).toLocaleString("en")} / ${order.length.toLocaleString("en")}`,
        ),
      step(1, "Next →"),
    ),
  );
}

function testsCard(detail) {
  const words = (items, said) => {
    if (!items.length) return said || "–";
    const passed = items.filter((item) => item.outcome === "passed" || item.outcome === "xpassed").length;
    return items.length === 1 ? items[0].outcome : `${passed} of ${items.length} passed`;
  };
  const result = (text) =>
    badge(
      text,
      /^passed|^(\d+) of \1 /.test(text)
        ? "passing"
        : text === "–" || text === "skipped"
          ? "plain"
          : "broken",
    );
  const side = (items, said) => {
    const word = words(items, said);
    const why = items.find((item) => item.why);
    const scores = items.length
      ? Object.entries(items[0].scores).map(([name, value]) => `${name} ${value}`)
      : [];
    const feedback = items.flatMap((item) => item.feedback);
    const judges = items.flatMap((item) => item.judges);
    return [
      result(word),
      scores.length ? make("p", { class: "dim" }, scores.join(", ")) : null,
      why && make("pre", { class: "data why", dir: "auto" }, why.why),
      feedback.length ? make("p", { dir: "auto" }, feedback.join(" ")) : null,
      judges.length
        ? make("details", null, make("summary", null, counted(judges.length, "judge call")), judges.map((said) => make("pre", { class: "data", dir: "auto" }, said)))
        : null,
    ];
  };
  const columns = [
    { label: "Test" },
    ...(report.sided ? [{ label: "Before" }] : []),
    { label: report.sided ? "After" : "Result" },
  ];
  const rows = detail.tests.map((test) => [
    make("span", { title: test.nodeid }, test.name),
    ...(report.sided ? [side(test.before, test.said)] : []),
    side(test.after, ""),
  ]);
  return card("Tests", table("Tests of this case", columns, rows, "tests"));
}

function dataCard(detail) {
  const blocks = [dataBlock("Input", [readable(detail.inputs)])];
  if (detail.expected !== null) blocks.push(dataBlock("Expected", [readable(detail.expected)]));
  if (Object.keys(detail.steps).length)
    blocks.push(dataBlock("Expected of steps", [readable(detail.steps)], "whole"));
  if (Object.keys(detail.metadata).length)
    blocks.push(dataBlock("Metadata", [readable(detail.metadata)], "whole"));
  return card("Case", make("div", { class: "sides" }, blocks));
}

function foundCard(detail, each) {
  const effect = (name) => report.candidates.filter((candidate) => candidate[name].includes(each.number));
  const lines = detail.found.map((finding) =>
    make(
      "li",
      null,
      finding.tree
        ? ["After ", candidateLink(finding.tree), ": "]
        : report.candidates.length
          ? "Your files: "
          : null,
      make("strong", null, finding.step || "no step"),
      `, ${finding.category}: `,
      make("span", { dir: "auto" }, finding.evidence),
      make(
        "span",
        { class: "dim" },
        ` (${percent(finding.confidence)} sure, ${finding.source === "intervention" ? "proven by an intervention" : `by ${finding.source}`})`,
      ),
    ),
  );
  const listed = (label, found) =>
    found.length
      ? make(
          "li",
          null,
          `${label} by `,
          found.map((candidate, place) => [
            place ? ", " : "",
            candidateLink(candidate.id),
            ` (${candidate.state})`,
          ]),
        )
      : null;
  const effects = [listed("Fixed", effect("fixes")), listed("Broken", effect("breaks"))];
  if (!lines.length && !effects.some(Boolean)) return null;
  return card(
    lines.length ? "Why it failed, what changed it" : "What changed it",
    make("ul", { class: "findings" }, lines, effects),
  );
}

function gateCard(detail) {
  if (!detail.gate.length) return null;
  return card(
    "Against the baseline",
    detail.gate.map((each) => [
      make(
        "div",
        { class: "sides" },
        sideBySide("Output", each.before, each.after, { before: true, after: true }),
      ),
      each.step && make("p", null, "First differing step: ", make("strong", null, each.step)),
    ]),
  );
}

/** The step that the gate or the diagnosis names, where the case fails. */
function faultOf(detail, each) {
  if (each.status === "passing" || each.status === "fixed") return "";
  return [...detail.gate, ...[...detail.found].reverse()].map((found) => found.step).find(Boolean) || "";
}

function runCard(run, total, fault) {
  const sides = { before: run.before, after: run.after, sole: run.same || !report.two };
  const get = (name) => [run.before?.[name], run.after?.[name]];
  const heading = total > 1 ? `Run ${run.repeat} of ${total}` : "Trace";
  const errors = get("error");
  return card(
    heading,
    run.same &&
      make(
        "p",
        { class: "hint" },
        "Nothing is different before and after: the same steps, questions and outputs.",
      ),
    sides.before &&
      sides.after &&
      make(
        "p",
        { class: "hint" },
        legendBar("was", "before"),
        legendBar("is", "after"),
        "Light marks inside a bar: LLM calls.",
      ),
    errors.some(Boolean) && make("div", { class: "sides" }, sideBySide("Error", ...errors, sides)),
    make("div", { class: "sides" }, sideBySide("Output of the pipeline", ...get("output"), sides)),
    make("h3", null, "Steps"),
    timeline(run, fault),
  );
}

function legendBar(name, label) {
  return make(
    "span",
    { class: "legend" },
    draw(
      "svg",
      { class: "bars", viewBox: "0 0 24 11", "aria-hidden": "true" },
      draw("rect", { class: name, width: "24", height: "8", y: "2" }),
    ),
    label,
  );
}

// The list of cases: filtered, sorted, paged; its state is in the address, so that it can be sent on.

const PER_PAGE = 50;
const STATUS = {
  broken: "broken",
  failing: "failing",
  better: "partly fixed",
  fixed: "fixed",
  passing: "passing",
  skipped: "skipped",
};
const WORST_FIRST = Object.keys(STATUS);

const cases = report.cases.rows.map((row, number) => ({
  number,
  id: row[0],
  pipeline: report.cases.pipelines[row[1]],
  split: report.cases.splits[row[2]],
  tags: row[3].map((tag) => report.cases.tags[tag]),
  status: row[4],
  before: row[5],
  after: row[6],
  step: row[7] < 0 ? "" : report.cases.steps[row[7]],
  changed: row[8] === 1,
  input: row[9],
  output: row[10],
  searched: [row[0], row[9], row[10], ...row[3].map((tag) => report.cases.tags[tag])]
    .join("\n")
    .toLowerCase(),
}));

const NO_FILTER = { q: "", status: "", split: "", tag: "", step: "", pipeline: "", sort: "", page: "1" };
let listed = { ...NO_FILTER };

const caseKeys = new Map();
for (const each of cases) {
  caseKeys.set(whole(`${each.pipeline}::${each.id}`), each);
  if (!caseKeys.has(whole(each.id))) caseKeys.set(whole(each.id), each);
}

function caseHash(each) {
  const short = caseKeys.get(whole(each.id)) === each;
  return `#case=${addressed(short ? each.id : `${each.pipeline}::${each.id}`)}`;
}

function caseLink(each, label) {
  return make("a", { href: caseHash(each) }, label || each.id);
}

function passedWords(pair) {
  if (!pair) return "–";
  if (pair[1] === 1) return pair[0] ? "pass" : "fail";
  return `${pair[0]} of ${pair[1]}`;
}

function matching(filter, without) {
  const wanted = { ...filter, [without]: "" };
  const words = wanted.q.toLowerCase().split(/\s+/).filter(Boolean);
  return cases.filter(
    (each) =>
      (!wanted.status || each.status === wanted.status || (wanted.status === "changed" && each.changed)) &&
      (!wanted.split || each.split === wanted.split) &&
      (!wanted.tag || each.tags.includes(wanted.tag)) &&
      (!wanted.step || each.step === wanted.step) &&
      (!wanted.pipeline || each.pipeline === wanted.pipeline) &&
      words.every((word) => each.searched.includes(word)),
  );
}

const SORTS = {
  case: (a, b) => a.id.localeCompare(b.id, "en", { numeric: true }),
  status: (a, b) => WORST_FIRST.indexOf(a.status) - WORST_FIRST.indexOf(b.status),
  split: (a, b) => a.split.localeCompare(b.split),
  before: (a, b) => passedShare(a.before) - passedShare(b.before),
  after: (a, b) => passedShare(a.after) - passedShare(b.after),
  step: (a, b) => a.step.localeCompare(b.step),
};

function passedShare(pair) {
  return pair ? pair[0] / pair[1] : -1;
}

/** The cases that the filter leaves, in the order of the list. */
function listedCases() {
  const found = matching(listed, "");
  const [name, direction] = (listed.sort || "status").split("-");
  const order = SORTS[name] || SORTS.status;
  const sign = direction === "down" ? -1 : 1;
  return found.sort((a, b) => sign * order(a, b) || a.number - b.number);
}

function listHash() {
  const parts = new URLSearchParams(
    Object.entries(listed).filter(([name, value]) => value && value !== NO_FILTER[name]),
  );
  return parts.size ? `#cases?${parts}` : "#cases";
}

function relist(changes) {
  listed = { ...listed, page: "1", ...changes };
  history.replaceState(null, "", listHash());
  showList();
}

function openList(query) {
  if (query !== null)
    listed = {
      ...NO_FILTER,
      ...Object.fromEntries([...new URLSearchParams(query)].filter(([name]) => name in NO_FILTER)),
    };
  buildFilters();
  showList();
}

// --- filters ----------------------------------------------------------------------------------------

let filtersBuilt = false;

function buildFilters() {
  const place = document.getElementById("cases-filters");
  if (!filtersBuilt) {
    filtersBuilt = true;
    const search = make("input", {
      type: "search",
      id: "case-search",
      placeholder: "Search ids, inputs, outputs, tags",
      "aria-label": "Search ids, inputs, outputs, tags",
      autocomplete: "off",
      spellcheck: "false",
    });
    let waiting = 0;
    search.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => relist({ q: search.value }), 120);
    });
    const { splits, tags, steps, pipelines } = report.cases;
    show(
      place,
      make(
        "div",
        { class: "filters" },
        search,
        choice("split", "All splits", splits, 2),
        choice("tag", "All tags", [...tags].sort(), 1),
        choice("step", "All failing steps", [...steps].sort(), 1),
        choice("pipeline", "All pipelines", pipelines, 2),
      ),
      make("fieldset", { class: "chips", id: "case-chips" }),
    );
  }
  document.getElementById("case-search").value = listed.q;
  for (const select of place.querySelectorAll("select")) select.value = listed[select.name];
}

function choice(name, all, values, least) {
  if (values.length < least) return null;
  const options = [
    make("option", { value: "" }, all),
    ...values.map((value) => make("option", { value }, value)),
  ];
  return make(
    "select",
    { name, "aria-label": name, change: (event) => relist({ [name]: event.target.value }) },
    options,
  );
}

function showChips() {
  const found = matching(listed, "status");
  const number = (status) => found.filter((each) => each.status === status).length;
  const chips = [
    ["", "All", found.length],
    ...WORST_FIRST.map((status) => [status, STATUS[status], number(status)]),
  ];
  if (report.sided) chips.push(["changed", "other output", found.filter((each) => each.changed).length]);
  const focused = document.activeElement?.dataset?.status;
  show(
    document.getElementById("case-chips"),
    make("legend", { class: "unseen" }, "Result"),
    chips
      .filter(([status, , size]) => size || status === listed.status)
      .map(([status, label, size]) =>
        make(
          "button",
          {
            type: "button",
            "data-status": status,
            "aria-pressed": String(listed.status === status),
            click: () => relist({ status: listed.status === status ? "" : status }),
          },
          label[0].toUpperCase() + label.slice(1),
          " ",
          make("span", null, size.toLocaleString("en")),
        ),
      ),
  );
  if (focused !== undefined) document.querySelector(`#case-chips [data-status="${focused}"]`)?.focus();
}

// --- the list ---------------------------------------------------------------------------------------

function showList() {
  showChips();
  const found = listedCases();
  const pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
  const page = Math.min(pages, Math.max(1, Number(listed.page) || 1));
  const shown = found.slice((page - 1) * PER_PAGE, page * PER_PAGE);
  const whole = found.length === cases.length ? "" : ` of ${cases.length.toLocaleString("en")}`;
  show(
    document.getElementById("cases-count"),
    `${counted(found.length, "case")}${whole}${pages > 1 ? `, page ${page} of ${pages}` : ""}`,
  );
  show(
    document.getElementById("cases-table"),
    found.length ? listTable(shown) : make("p", { class: "hint" }, "No case matches."),
  );
  const turn = (by, label) =>
    make(
      "button",
      {
        type: "button",
        disabled: page + by < 1 || page + by > pages,
        click: () => {
          relist({ page: String(page + by) });
          document.getElementById("cases-title").focus();
          scrollTo(0, 0);
        },
      },
      label,
    );
  show(
    document.getElementById("cases-pages"),
    pages > 1
      ? [
          turn(-1, "← Previous page"),
          make("span", { class: "dim" }, `${page} / ${pages}`),
          turn(1, "Next page →"),
        ]
      : null,
  );
}

function listTable(shown) {
  const sided = report.sided;
  const columns = [
    ["case", "Case"],
    ["status", "Result"],
    ["split", "Split"],
    ...(sided ? [["before", "Before"]] : []),
    ["after", sided ? "After" : "Tests"],
    ...(report.cases.steps.length ? [["step", "Failing step"]] : []),
  ];
  const head = [
    ...columns.map(([name, label]) => sortable(name, label)),
    make("th", { scope: "col" }, "Input and output"),
  ];
  const steps = report.cases.steps.length > 0;
  const rows = shown.map((each) =>
    make(
      "tr",
      null,
      make(
        "th",
        { scope: "row", class: "name" },
        caseLink(each),
        each.tags.length ? make("div", { class: "tags" }, each.tags.slice(0, 6).join(" · ")) : null,
      ),
      make("td", null, badge(STATUS[each.status], each.status)),
      make("td", null, each.split),
      sided && make("td", { "data-label": "before" }, passedWords(each.before)),
      make("td", { "data-label": sided ? "after" : "tests" }, passedWords(each.after)),
      steps && make("td", { class: each.step ? null : "empty dim", "data-label": "step" }, each.step || "–"),
      make(
        "td",
        { class: "text" },
        make("span", { class: "said", dir: "auto" }, each.input),
        make("span", { class: "said dim", dir: "auto" }, answered(each)),
      ),
    ),
  );
  return make(
    "div",
    { class: "rows" },
    make(
      "table",
      null,
      make("caption", { class: "unseen" }, "Cases"),
      make("thead", null, make("tr", null, head)),
      make("tbody", null, rows),
    ),
  );
}

/** The output; where it changed, what is different in it. */
function answered(each) {
  return each.output && (report.sided && each.changed ? each.output : `→ ${each.output}`);
}

function sortable(name, label) {
  const [now, direction] = (listed.sort || "status").split("-");
  const down = now === name && direction === "down";
  const next = now === name && !down ? `${name}-down` : name;
  const click = () => {
    relist({ sort: next === "status" ? "" : next });
    document.querySelector(`#cases-table [data-sort="${name}"]`)?.focus();
  };
  return make(
    "th",
    { scope: "col", "aria-sort": now === name ? (down ? "descending" : "ascending") : null },
    make("button", { type: "button", "data-sort": name, click }, label),
  );
}

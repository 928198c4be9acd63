// Which view is shown follows from the address; every view can be linked to.

const views = ["overview", "candidates", "candidate", "cases", "case"];
let opened = 0;

async function route(event) {
  const turn = ++opened;
  const hash = location.hash.slice(1);
  if (hash === "main") return;
  const [, name, value] = /^([a-z]*)[=?]?(.*)$/s.exec(hash) || [];
  const view = views.includes(name) ? name : "overview";
  const title = await open(view, value).catch((error) => unreadable(view, error));
  if (turn !== opened) return;
  for (const each of views) document.getElementById(`view-${each}`).hidden = each !== view;
  const tab = { case: "cases", candidate: "candidates" }[view] || view;
  for (const link of document.querySelectorAll("nav [data-view]")) {
    if (link.dataset.view === tab) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    if (link.dataset.view === "cases") link.href = listHash();
  }
  document.title = visible(`${title} · ${report.title}`);
  document.documentElement.dataset.view = view;
  if (view === "overview" && !charted) drawCharts();
  if (event) {
    scrollTo({ top: 0, behavior: "instant" });
    document.querySelector(`#view-${view} h1`)?.focus({ preventScroll: true });
  }
}

async function open(view, value) {
  if (view === "candidates") openCandidates();
  if (view === "cases") openList(value || (location.hash === "#cases" ? "" : null));
  if (view === "case") return openCase(decoded(value));
  if (view === "candidate") return openCandidate(decoded(value));
  return document.querySelector(`#view-${view} h1`).textContent;
}

/** A part that the browser cannot unpack, because it is too old or the file is damaged, says so. */
function unreadable(view, error) {
  const title = "This part of the report cannot be read";
  show(
    document.getElementById(`view-${view}`),
    make("h1", { tabindex: "-1" }, title),
    make("p", null, `${error}. It needs a browser of 2023 or newer, and the file as it was written.`),
  );
  return title;
}

function decoded(value) {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

let charted = false;
function drawCharts() {
  charted = true;
  scoreChart();
  spendChart();
}

// --- colors ----------------------------------------------------------------------------------------

const THEMES = { system: "as the system", light: "light", dark: "dark" };

function setTheme(theme) {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  const button = document.getElementById("theme");
  button.dataset.now = theme;
  button.setAttribute("aria-label", `Colors: ${THEMES[theme]}`);
  button.title = `Colors: ${THEMES[theme]}`;
  try {
    localStorage.setItem("fapo-report-colours", theme);
  } catch {
    // A page from disk may have no storage.
  }
  redrawCharts();
}

function startTheme() {
  let theme = "system";
  try {
    theme = localStorage.getItem("fapo-report-colours") || theme;
  } catch {
    // As above.
  }
  const button = document.getElementById("theme");
  button.hidden = false;
  button.addEventListener("click", () => {
    const names = Object.keys(THEMES);
    setTheme(names[(names.indexOf(button.dataset.now) + 1) % names.length]);
  });
  setTheme(theme in THEMES ? theme : "system");
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawCharts);
}

// --- keys and buttons -------------------------------------------------------------------------------

addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, select, textarea");
  if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || typing)
    return;
  const rel = { ArrowLeft: "prev", ArrowRight: "next", Escape: "up" }[event.key];
  const link = rel && document.querySelector(`main > section:not([hidden]) .crumbs a[rel="${rel}"]`);
  if (link) {
    event.preventDefault();
    link.click();
  }
});

for (const button of document.querySelectorAll(".copy")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  });
}

startTheme();
addEventListener("hashchange", route);
route();

"use strict";
// Texts of cases are data: they reach the page through text nodes only, never as HTML.

const report = JSON.parse(document.getElementById("report-data").textContent);

const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Text with its control characters and bidirectional overrides spelled out. */
function visible(text) {
  return String(text).replace(UNSEEN, (char) => "\\u" + char.charCodeAt(0).toString(16).padStart(4, "0"));
}

/**
 * An element. Attributes whose value is null or false are left out, functions listen to events;
 * children are nodes or texts, null ones are passed over.
 */
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : visible(value));
  }
  fill(element, children);
  return element;
}

function fill(element, children) {
  for (const child of children.flat(4)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : visible(child));
  }
}

/** An element of SVG; it has attributes and no text. */
function draw(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** An id as it stands in an address, where half a character cannot be. */
function addressed(id) {
  return encodeURIComponent(whole(id));
}

function whole(text) {
  return text.replace(/\p{Surrogate}/gu, "\ufffd");
}

function badge(word, kind) {
  return make("span", { class: `badge ${kind || word}` }, word);
}

/** A share as the terminal says it: never 100 % for less than all, nor 0 % for more than none. */
function percent(share) {
  if (share === null || share === undefined) return "–";
  let text = (share * 100).toFixed(0);
  if ((share < 1 && Number(text) >= 100) || (share > 0 && Number(text) === 0))
    text = share > 0.5 ? "99.9" : "0.1";
  return `${text} %`;
}

function points(before, after) {
  if (before === null || after === null || before === undefined || after === undefined) return "";
  const change = (after - before) * 100;
  // Of the whole percents that stand beside it; a change below that has a decimal.
  const whole = Math.abs(Math.round(after * 100) - Math.round(before * 100));
  return `${change < 0 ? "−" : "+"}${whole || !change ? whole : Math.abs(change).toFixed(1)}`;
}

function seconds(value) {
  if (value < 0.001) return "< 1 ms";
  return value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(value < 10 ? 2 : 1)} s`;
}

function clock(value) {
  const whole = Math.max(0, Math.floor(value));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const text = parts.map((part, place) => (place ? String(part).padStart(2, "0") : part));
  return parts[0] ? text.join(":") : `${parts[1]}:${text[2]}`;
}

function counted(number, noun, plural) {
  return `${number.toLocaleString("en")} ${number === 1 ? noun : plural || noun + "s"}`;
}

/** The content of a packed element; unpacked once, kept for the last few. */
const unpacked = new Map();
async function unpack(id) {
  if (!unpacked.has(id)) {
    const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (char) =>
      char.charCodeAt(0),
    );
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    unpacked.set(id, await new Response(stream).json());
    if (unpacked.size > 30) unpacked.delete(unpacked.keys().next().value);
  }
  return unpacked.get(id);
}

/** Replace what stands in an element. */
function show(element, ...children) {
  element.replaceChildren();
  fill(element, children);
}

/**
 * A table: columns are `{label, number}`, rows are lists of cells (nodes or texts).
 * The first cell names its row.
 */
function table(caption, columns, rows, name) {
  const head = columns.map((column) =>
    make("th", { scope: "col", class: column.number ? "number" : null }, column.label),
  );
  const line = (cells) =>
    make(
      "tr",
      null,
      cells.map((cell, place) =>
        place === 0
          ? make("th", { scope: "row" }, cell)
          : make(
              "td",
              { class: columns[place].number ? "number" : null, "data-label": columns[place].label },
              cell,
            ),
      ),
    );
  return make(
    "table",
    { class: `list ${name || ""}` },
    make("caption", { class: "unseen" }, caption),
    make("thead", null, make("tr", null, head)),
    make("tbody", null, rows.map(line)),
  );
}

function card(title, ...children) {
  return make("section", { class: "card", "aria-label": title }, make("h2", null, title), children);
}

/** Says that an address names nothing in this report; gives the view's title. */
function showNowhere(place, noun, name, all) {
  const title = `No such ${noun}`;
  show(
    place,
    make("h1", { tabindex: "-1" }, title),
    make("p", null, `This report has no ${noun} ${name}. `, make("a", { href: all }, `All ${noun}s`)),
  );
  return title;
}

// What two texts differ in: by lines for edits, by words for everything else.

const DIFFERENCE_ROOM = 1200000;

/** Pairs `[kind, pieces]`, kind being " ", "-" or "+", that turn one list into the other. */
function listDifference(before, after) {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  const most = Math.min(before.length, after.length) - start;
  while (end < most && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
  const old = before.slice(start, before.length - end);
  const now = after.slice(start, after.length - end);
  const parts = [];
  const add = (kind, piece) => {
    const last = parts[parts.length - 1];
    if (last && last[0] === kind) last[1].push(piece);
    else parts.push([kind, [piece]]);
  };
  for (const piece of before.slice(0, start)) add(" ", piece);
  if (old.length * now.length > DIFFERENCE_ROOM) {
    for (const piece of old) add("-", piece);
    for (const piece of now) add("+", piece);
  } else {
    commonPath(old, now, add);
  }
  for (const piece of before.slice(before.length - end)) add(" ", piece);
  return parts;
}

/** The longest common subsequence, told to `add` from the front. */
function commonPath(old, now, add) {
  const width = now.length + 1;
  const length = new Uint32Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      const at = i * width + j;
      length[at] =
        old[i] === now[j] ? length[at + width + 1] + 1 : Math.max(length[at + width], length[at + 1]);
    }
  }
  let i = 0;
  let j = 0;
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      add(" ", old[i]);
      i++;
      j++;
    } else if (
      j >= now.length ||
      (i < old.length && length[(i + 1) * width + j] >= length[i * width + j + 1])
    ) {
      add("-", old[i++]);
    } else {
      add("+", now[j++]);
    }
  }
}

function words(text) {
  return text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) || [];
}

/** Both texts as nodes, with what only one of them has marked; plain where nearly all differs. */
function markedWords(before, after) {
  const parts = listDifference(words(before), words(after));
  const same = parts
    .filter((part) => part[0] === " ")
    .reduce((sum, part) => sum + part[1].join("").trim().length, 0);
  if (same < 0.25 * Math.min(before.length, after.length)) return [[before], [after]];
  const side = (sign, name) =>
    parts
      .filter((part) => part[0] === " " || part[0] === sign)
      .map((part) => (part[0] === " " ? part[1].join("") : make("mark", { class: name }, part[1].join(""))));
  return [side("-", "gone"), side("+", "come")];
}

/** An edit as a unified diff with three lines around each change. */
function editDifference(address, before, after) {
  const lines = (text) => (text === "" ? [] : text.replace(/\n$/, "").split("\n"));
  const parts = listDifference(lines(before), lines(after));
  const list = make("ol", { tabindex: "0", "aria-label": `Changes of ${address}` });
  const line = (kind, sign, content, spoken) =>
    list.append(
      make(
        "li",
        { class: kind, "data-sign": sign },
        make("span", null, spoken && make("span", { class: "unseen" }, spoken), content),
      ),
    );
  const count = { "-": 0, "+": 0 };
  parts.forEach(([kind, pieces], place) => {
    if (kind === " ") return contextLines(pieces, place === 0, place === parts.length - 1, line);
    count[kind] += pieces.length;
    const twin = kind === "-" ? parts[place + 1] : parts[place - 1];
    const pairs = twin && twin[0] !== " " && twin[1].length === pieces.length ? twin[1] : null;
    pieces.forEach((piece, number) => {
      const marked = pairs
        ? kind === "-"
          ? markedWords(piece, pairs[number])[0]
          : markedWords(pairs[number], piece)[1]
        : [piece];
      if (kind === "-") line("minus", "−", marked, "removed: ");
      else line("plus", "+", marked, "added: ");
    });
  });
  const was =
    before === ""
      ? "new"
      : `${counted(count["+"], "line")} added, ${count["-"].toLocaleString("en")} removed`;
  return make(
    "article",
    { class: "diff" },
    make("header", null, make("code", null, address), make("span", { class: "dim" }, was)),
    list,
  );
}

function contextLines(pieces, first, last, line) {
  const head = first ? 0 : 3;
  const tail = last ? 0 : 3;
  if (pieces.length <= head + tail + 1) return pieces.forEach((piece) => line("", " ", piece));
  pieces.slice(0, head).forEach((piece) => line("", " ", piece));
  line("gap", "⋮", counted(pieces.length - head - tail, "unchanged line"));
  if (tail) pieces.slice(-tail).forEach((piece) => line("", " ", piece));
}

/** A recorded value as a person reads it: texts as they are, the rest as JSON. */
function readable(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

function dataBlock(label, content, extra) {
  const empty = content.length === 0 || (content.length === 1 && content[0] === "");
  return make(
    "div",
    { class: `side ${extra || ""}` },
    make("p", { class: "label" }, label),
    make("pre", { class: "data", dir: "auto" }, empty ? make("span", { class: "dim" }, "nothing") : content),
  );
}

/** A value before and after: once where it is the same, else side by side with the differences marked. */
function sideBySide(label, before, after, sides) {
  if (!sides.before || !sides.after) {
    const only = sides.after ? after : before;
    const side = sides.sole ? "" : sides.after ? ", after" : ", before";
    return [dataBlock(label + side, [readable(only)], "whole")];
  }
  const old = readable(before);
  const now = readable(after);
  if (old === now) return [dataBlock(`${label}, the same before and after`, [now], "whole")];
  const [left, right] = markedWords(old, now);
  return [dataBlock(`${label} before`, left), dataBlock(`${label} after`, right)];
}

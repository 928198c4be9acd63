// A trace as a timeline of steps; with two traces every step has both sides.

/** The steps of both traces, each with its twin, in the order of the later trace. */
function pairedSteps(before, after) {
  const old = new Map((before ? before.steps : []).map((step) => [step.key, step]));
  const pairs = [];
  for (const step of after ? after.steps : []) {
    pairs.push({ key: step.key, before: old.get(step.key) || null, after: step });
    old.delete(step.key);
  }
  for (const step of old.values()) {
    const place = before.steps.indexOf(step);
    const above = before.steps
      .slice(0, place)
      .reverse()
      .find((each) => pairs.some((pair) => pair.key === each.key));
    const at = above ? pairs.findIndex((pair) => pair.key === above.key) + 1 : 0;
    pairs.splice(at, 0, { key: step.key, before: step, after: null });
  }
  return pairs;
}

function stepState(pair, sides) {
  const step = pair.after || pair.before;
  if (step.error) return ["error", "error"];
  if (sides.sole) return step.replaced ? ["replaced", "changed"] : null;
  if (!pair.before) return ["only after", "changed"];
  if (!pair.after) return ["only before", "changed"];
  if (readable(pair.before.output) !== readable(pair.after.output)) return ["other output", "changed"];
  return null;
}

/** The first step that differs is open, or the one that is known to be at fault. */
function timeline(run, fault) {
  const { before, after } = run;
  const sides = { before, after, sole: run.same || !report.two };
  const pairs = pairedSteps(before, after);
  const whole = Math.max(
    0.001,
    before ? before.duration : 0,
    after ? after.duration : 0,
    ...pairs.flatMap((pair) =>
      [pair.before, pair.after].filter(Boolean).map((step) => step.start + step.duration),
    ),
  );
  const first = pairs.find((pair) => stepState(pair, sides)) || pairs.find((pair) => pair.key === fault);
  const rows = pairs.map((pair) => stepRow(pair, sides, whole, pair === first));
  const loose = looseCalls(sides);
  if (!rows.length && !loose) return make("p", { class: "hint" }, "No step was traced.");
  return make("div", { class: "timeline" }, rows, loose);
}

function stepRow(pair, sides, whole, open) {
  const step = pair.after || pair.before;
  const state = stepState(pair, sides);
  const row = make(
    "details",
    { open },
    make(
      "summary",
      null,
      make("span", { class: `step-name depth-${Math.min(3, step.depth)}` }, make("span", null, pair.key)),
      bars(pair, sides, whole),
      make("span", { class: "time" }, times(pair)),
      make("span", { class: "state" }, state && badge(...state)),
    ),
  );
  const build = () => {
    if (row.open && !row.querySelector(".inside")) row.append(stepInside(pair, sides));
  };
  row.addEventListener("toggle", build);
  if (row.open) build();
  return row;
}

function times(pair) {
  const [old, now] = [pair.before, pair.after].map((step) => step && seconds(step.duration));
  return old && now ? (old === now ? now : `${old} → ${now}`) : old || now;
}

function bars(pair, sides, whole) {
  const picture = draw("svg", { class: "bars", "aria-hidden": "true", focusable: "false" });
  const both = sides.before && sides.after;
  const bar = (step, name, y, height, trace) => {
    if (!step) return;
    const place = (start, duration) => ({
      x: `${(100 * start) / whole}%`,
      width: `${Math.max(0.4, (100 * duration) / whole)}%`,
    });
    picture.append(draw("rect", { class: name, y, height, ...place(step.start, step.duration) }));
    for (const call of step.calls) {
      const { start, duration } = trace.calls[call];
      picture.append(
        draw("rect", { class: "llm", y: y + height / 2 - 1.5, height: 3, ...place(start, duration) }),
      );
    }
  };
  bar(pair.before, "was", both ? 3 : 7, both ? 7 : 10, sides.before);
  bar(pair.after, "is", both ? 13 : 7, both ? 7 : 10, sides.after);
  return picture;
}

function stepInside(pair, sides) {
  const mine = { before: pair.before, after: pair.after, sole: sides.sole };
  const get = (name) => [pair.before?.[name], pair.after?.[name]];
  const inside = make("div", { class: "inside" });
  const errors = get("error");
  if (errors.some(Boolean))
    inside.append(make("div", { class: "sides" }, sideBySide("Error", ...errors, mine)));
  inside.append(
    make("div", { class: "sides" }, sideBySide("Input", ...get("inputs"), mine)),
    make("div", { class: "sides" }, sideBySide("Output", ...get("output"), mine)),
  );
  const calls = (step, trace) => (step ? step.calls.map((number) => trace.calls[number]) : []);
  inside.append(...callRows(calls(pair.before, sides.before), calls(pair.after, sides.after), mine));
  return inside;
}

function looseCalls(sides) {
  const calls = (trace) => (trace ? trace.loose.map((number) => trace.calls[number]) : []);
  const rows = callRows(calls(sides.before), calls(sides.after), sides);
  if (!rows.length) return null;
  return make(
    "details",
    { open: true },
    make("summary", null, make("span", { class: "step-name" }, make("span", null, "outside every step"))),
    make("div", { class: "inside" }, rows),
  );
}

// --- LLM calls --------------------------------------------------------------------------------------

function callRows(before, after, sides) {
  const rows = [];
  for (let number = 0; number < Math.max(before.length, after.length); number++) {
    rows.push(
      callRow(before[number], after[number], number + 1, Math.max(before.length, after.length), sides.sole),
    );
  }
  return rows;
}

function callRow(old, now, number, total, sole) {
  const sides = { before: old, after: now, sole };
  const both = old && now;
  const head = make(
    "div",
    null,
    make("h3", null, total > 1 ? `LLM call ${number} of ${total}` : "LLM call"),
    both && callFacts(old) !== callFacts(now)
      ? [
          make("p", { class: "hint" }, `before: ${callFacts(old)}`),
          make("p", { class: "hint" }, `after: ${callFacts(now)}`),
        ]
      : make("p", { class: "hint" }, callFacts(now || old)),
  );
  const parts = [];
  const messages = [old, now].map((call) => (call ? call.messages.map(message) : []));
  for (let place = 0; place < Math.max(messages[0].length, messages[1].length); place++) {
    const [left, right] = [messages[0][place], messages[1][place]];
    const name = (right || left).role;
    const mine = both ? { before: true, after: true } : sides;
    parts.push(
      make(
        "div",
        { class: "sides role-block" },
        sideBySide(name[0].toUpperCase() + name.slice(1), left?.text, right?.text, mine),
      ),
    );
  }
  parts.push(
    make("div", { class: "sides" }, sideBySide("Answer", old && answer(old), now && answer(now), sides)),
  );
  return make("section", { class: "call", "aria-label": `LLM call ${number}` }, head, parts);
}

function callFacts(call) {
  const settings = Object.entries(call.parameters).map(([name, value]) => `${name} ${readable(value)}`);
  return [
    call.model || call.api,
    ...settings,
    `${call.tokens[0].toLocaleString("en")} tokens in, ${call.tokens[1].toLocaleString("en")} out`,
    call.hit ? "from the cache" : seconds(call.duration),
    call.offline ? "offline stand-in" : "",
    call.offered.length ? `tools: ${call.offered.join(", ")}` : "",
    call.finish && call.finish !== "stop" ? `ended by ${call.finish}` : "",
    call.status && call.status >= 400 ? `HTTP ${call.status}` : "",
  ]
    .filter(Boolean)
    .join(" · ");
}

/** A message's role and its text, whatever the provider's shape. */
function message(value) {
  if (typeof value === "string") return { role: "message", text: value };
  const { role, content, ...rest } = value || {};
  delete rest.type;
  const parts = [part(content)];
  if (Object.keys(rest).length) parts.push(readable(rest));
  return { role: String(role || "message"), text: parts.filter(Boolean).join("\n") };
}

function part(content) {
  if (content === null || content === undefined) return "";
  if (typeof content === "string") return content;
  if (Array.isArray(content)) return content.map(part).join("\n");
  if (typeof content.text === "string") return content.text;
  if (/image|audio|file/.test(content.type || "")) return `[${content.type}]`;
  return readable(content);
}

function answer(call) {
  const tools = call.tools.map(
    (tool) =>
      `${tool.name}(${typeof tool.arguments === "string" ? tool.arguments : JSON.stringify(tool.arguments)})`,
  );
  return [
    call.answer,
    call.refusal && `Refused: ${call.refusal}`,
    ...tools,
    call.error && `Error: ${call.error}`,
  ]
    .filter(Boolean)
    .join("\n");
}

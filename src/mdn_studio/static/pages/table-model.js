// A trained model: what if, predictions of another table, the report.

import { button, canvas, choice, code, dropzone, figures, h, pen, slider } from "../ui.js";
import { newest } from "../socket.js";
import { day, drawAnswer, scale, short } from "./table-draw.js";

const FEW = 12; // columns that are shown at once
const MOVE = "Move a column and watch the answer move. Drag the orange line, or click into the picture, to ask how probable it is to end "
  + "above it.";
const CURVE = "The height of the curve says how probable each value is; its area is 100 %. Where it has two humps, the columns leave two "
  + "answers open.";
const WHOLE = "Drop a table with the same columns. You get a CSV with one row for each of its rows: the values below which the answer "
  + "lies 5, 25, 50, 75 and 95 times in a hundred, and the probability to be above the line.";

/** The panels of a model; `endings` are those of the names of tables that it can be asked about. */
export function modelPanel(studio, info, endings) {
  const model = info.model;
  let target = 0, line = null, answer = null, reference = 0, number = 0, observed = null, coverage = 0.9;
  let values = Object.fromEntries(info.features.map((one) => [one.name, one.value]));
  const { failed } = studio;
  const named = () => info.targets[target];

  // ---- the picture

  const numbers = h("div", {}), sentence = h("p", { class: "said" });
  const density = canvas((context, width, height) => {
    if (answer) drawAnswer(context, width, height, answer, { reference, observed: observed?.[target] ?? null, line: line ?? answer.line });
  }, { ratio: 0.46, least: 280, most: 560, role: "slider", label: "A line at a value: how probable is more, how probable is less? Arrow keys move it." });
  density.classList.add("density");
  const move = (value) => {
    const [low, high] = answer.axis;
    line = Math.min(high, Math.max(low, value));
    if (answer.counted) line = Math.floor(line) + 0.5;
    at.value = short(line).replaceAll(",", "");
    density.redraw();
    ask();
  };
  const drag = ({ x }) => { if (answer) move(scale(answer.axis, density.clientWidth).value(x)); };
  pen(density, { begin: drag, move: drag, touch: "pan-y" });
  density.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.01, ArrowDown: -0.01, ArrowRight: 0.01, ArrowUp: 0.01, PageDown: -0.1, PageUp: 0.1 }[event.key];
    if (!step || !answer) return;
    event.preventDefault();
    const reach = answer.axis[1] - answer.axis[0];
    move((line ?? answer.line) + (answer.counted ? Math.sign(step) * Math.max(1, Math.round(Math.abs(step) * reach)) : step * reach));
  });
  const at = h("input", { type: "number", step: "any", id: "table-line", onchange: () => {
    if (!answer || at.value === "" || !Number.isFinite(+at.value)) return;
    line = +at.value;
    ask();
  } });

  const ask = newest(() => studio.ask("table.ask", { model, values, target, line, coverage }), (found) => {
    answer = found;
    if (line === null) { line = answer.counted ? Math.floor(answer.line) + 0.5 : answer.line; at.value = short(line).replaceAll(",", ""); }
    reference ||= answer.top;
    say();
    density.redraw();
  }, failed);

  function say() {
    const [outer, half] = answer.ends, word = `${Math.round(100 * coverage)} %`;
    const percent = (share) => share > 0.9995 && share < 1 ? "> 99.9 %" : share < 0.0005 && share > 0 ? "< 0.1 %"
      : `${(100 * share).toFixed(share > 0.1 && share < 0.9 ? 0 : 1)} %`;
    const pairs = [["The middle (median)", short(answer.median)], ["Half the time between", `${short(half[0])} – ${short(half[1])}`],
      [`${word} of the time between`, `${short(outer[0])} – ${short(outer[1])}`],
      [`Above ${short(line)}`, percent(answer.above)], [`Below ${short(line)}`, percent(answer.below)]];
    numbers.replaceChildren(figures(...pairs));
    const seen = observed?.[target] ?? null;
    sentence.textContent = seen === null ? CURVE
      : `In this row ${named()} was ${short(seen)}: ${seen >= outer[0] && seen <= outer[1] ? "inside" : "outside"} the ${word} interval. `
        + `About ${Math.round(100 - 100 * coverage)} of 100 rows lie outside, or the interval would be too wide.`;
    density.setAttribute("aria-valuemin", answer.axis[0]);
    density.setAttribute("aria-valuemax", answer.axis[1]);
    density.setAttribute("aria-valuenow", line);
    density.setAttribute("aria-valuetext", `${named()} above ${short(line)}: ${percent(answer.above)}`);
    const row = info.features.map((one) => `${JSON.stringify(one.name)}: ${literal(one)}`).join(", ");
    python.set(info.python.replace("ROW", () => `{${row}}`).replace("LINE", () => String(line)));
  }

  const literal = (one) => {
    const value = values[one.name];
    return value === null ? "None" : one.kind === "date" ? JSON.stringify(day(value)) : JSON.stringify(value);
  };

  // ---- what can be moved

  const controls = new Map();
  const changed = (name, value) => {
    values = { ...values, [name]: value };
    if (observed) rowSaid.textContent = "A row of your own, begun from one of the table.";
    observed = null;
    ask();
  };
  for (const one of info.features) {
    const shows = one.kind === "date" ? day : short;
    const field = one.kind === "category"
      ? choice(one.name, [["", "not known"], ...one.levels], { value: one.value, onchange: (level) => changed(one.name, level || null) })
      : slider(one.name, { min: one.min, max: one.max, step: one.whole ? 1 : "any", value: one.value, shows, oninput: (value) => {
        unknown(one, false);
        changed(one.name, value);
      } });
    const forget = ({ target: box }) => { field.classList.toggle("unknown", box.checked); changed(one.name, box.checked ? null : field.value); };
    const gone = one.missing && one.kind !== "category"
      ? h("label", { class: "gone" }, h("input", { type: "checkbox", onchange: forget }), "not known") : null;
    controls.set(one.name, { field, gone, element: h("div", { class: "control" }, field, gone) });
  }
  function unknown(one, yes) {
    const { field, gone } = controls.get(one.name);
    if (gone) gone.firstChild.checked = yes;
    field.classList.toggle("unknown", yes);
  }
  function show() {
    for (const one of info.features) {
      const value = values[one.name], { field } = controls.get(one.name);
      if (one.kind === "category") field.set(value ?? "");
      else {
        if (value !== null) {
          field.input.min = Math.min(field.input.min, value);
          field.input.max = Math.max(field.input.max, value);
          field.set(value);
        }
        unknown(one, value === null);
      }
    }
  }

  const rowSaid = h("p", { class: "faint" });
  function take(row) {
    values = row.values;
    observed = row.observed;
    rowSaid.textContent = `Line ${row.line} of the table, one of ${row.of} rows that the network has never seen.`;
    reference = 0;
    show();
    ask.drop();
    ask();
  }
  const askRow = newest(() => studio.ask("table.row", { model, number }), take, failed);
  const turn = (by) => {
    number = (number + by + info.aside) % info.aside;
    askRow();
  };
  const rows = info.aside ? h("div", { class: "rows" }, h("p", { class: "buttons" }, button("Another row", () => turn(1)),
    button("Back", () => turn(-1), { class: "quiet" })), rowSaid) : null;
  const aim = (i) => { target = +i; line = null; reference = 0; answer = null; retitle(); density.redraw(); ask.drop(); ask(); };
  const targets = info.targets.length > 1 ? choice("Show", info.targets.map((one, i) => [String(i), one]), { onchange: aim }) : null;
  const wide = slider("How sure the interval is", {
    min: 0.5, max: 0.99, step: 0.01, value: coverage, shows: (v) => `${Math.round(100 * v)} %`, oninput: (v) => { coverage = v; ask(); },
  });
  const heading = h("h2", {});
  const retitle = () => { heading.textContent = `What will ${named()} be?`; };
  retitle();
  const python = code("", "The same in Python");
  const all = [...controls.values()].map((one) => one.element);
  const fields = [h("div", { class: "controls" }, all.slice(0, FEW)), all.length > FEW
    ? h("details", {}, h("summary", {}, `${all.length - FEW} more columns`), h("div", { class: "controls" }, all.slice(FEW))) : null];

  // ---- another table, and the report

  const made = h("div", { "aria-live": "polite" }), command = code(`mdn predict ${model} NEW.csv`, "The same as a command");
  const predict = async (file, progress) => {
    made.replaceChildren(h("p", { class: "faint" }, "Predicting …"));
    let sent = null;
    try {
      sent = await studio.upload(file, progress);
      const found = await studio.ask("table.predict", { model, file: sent, line });
      command.set(found.command);
      made.replaceChildren(h("p", { class: "buttons" }, link(found.name, `Download ${found.name}`),
        h("span", { class: "faint" }, `${found.rows.toLocaleString("en")} rows`)),
        ...found.sentences.map((one) => h("p", { class: "faint" }, one)));
    } catch (error) { made.replaceChildren(); failed(error); }
    if (sent) studio.ask("table.discard", { file: sent }).catch(() => {});
  };
  const another = dropzone(`Drop new rows for ${model} here, or choose a file`, predict);
  another.accept(endings);
  const element = h("div", { class: "model" },
    h("section", { class: "panel", "aria-label": "What if" }, heading,
      h("p", { class: "faint" }, MOVE),
      h("div", { class: "whatif" }, h("div", { class: "picture" }, density), h("div", { class: "side" }, rows, targets, fields),
        h("div", { class: "words" }, numbers, sentence,
          h("div", { class: "settings" }, h("div", { class: "field" }, h("label", { for: "table-line" }, "The line stands at"), at), wide), python))),
    h("section", { class: "panel", "aria-label": "Predict another table" }, h("h2", {}, "Ask it about a whole table"),
      h("p", { class: "faint" }, WHOLE),
      another, made, command,
      h("p", { class: "buttons take" }, link(model, `Download the model (${model})`))),
    info.report ? h("section", { class: "panel report", "aria-label": "Report" }, h("h2", {}, "Can you trust it?"),
      h("p", { class: "faint" }, "The report is made from the rows that were set aside."),
      h("iframe", { src: `/view/${encodeURIComponent(info.report)}`, title: `Report of ${model}`, sandbox: "", loading: "lazy" }),
      h("p", { class: "buttons" }, link(info.report, "Download the report"))) : null);
  if (info.row) take(info.row); else { show(); ask(); }
  return { element, leave() {}, back() { ask(); } };
}

const link = (name, text) => h("a", { class: "button quiet", href: `/files/${encodeURIComponent(name)}`, download: name }, text);

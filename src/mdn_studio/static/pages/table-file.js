// What is in a table, what is to be predicted, and the training.

import { font, rem, ticks } from "../chart.js";
import { announce, button, canvas, choice, code, colour, h, line, upper } from "../ui.js";
import { newest } from "../socket.js";
import { rows } from "../jobs.js";
import { short } from "./table-draw.js";

const KINDS = {
  number: "a number", category: "a category", date: "a date", empty: "empty", identifier: "a name of the row", ignored: "left out",
  index: "counts the rows", id: "names the row", weight: "a weight", target: "to be predicted",
};
const UNUSED = ["empty", "identifier", "ignored", "index"];
const USES = [
  ["", "as found"], ["number", "a number"], ["category", "a category"], ["date", "a date"], ["ignore", "leave out"],
  ["id", "names the row"], ["weight", "a weight"], ["target", "predict it"],
];
const LEARNS = "The line is its error on rows that it does not learn from: it falls while the network learns, and rises once it knows "
  + "its rows by heart. The lowest point is kept. The figures in the units of your data stand in the report, in the end.";
const ASIDE = "A fifth of the rows is set aside before anything is learnt. All figures are made from those rows, so they say how "
  + "good the model is on rows that it has never seen.";
const EFFORTS = [["quick", "A first look: one small network"], ["usual", "Usual: tries several sizes"], ["best", "Best: five networks that answer together"]];
const PROMISES = [["", "As the network believes"], ["yes", "Adjusted on further rows, so that they hold"]];

const rolesOf = (found) => Object.fromEntries(found.columns.filter((one) => one.role).map((one) => [one.name, one.role]));

export function filePanel(studio, first, { open }) {
  let found = first, roles = rolesOf(first), job = null, curves = [], left = false;
  const { failed } = studio;
  const columns = h("div", { class: "scroll what" }), troubles = h("ul", { class: "troubles" }), histogram = h("div", {}), summary = h("p", { class: "faint" });
  const target = choice("Predict", [["", "choose a column …"], ...first.numeric], { onchange: (name) => {
    for (const [one, role] of Object.entries(roles)) if (role === "target") delete roles[one];
    if (name) roles[name] = "target";
    update();
  } });
  const name = line("Name of the model", { value: first.out, maxlength: 90, oninput: () => tellCode() });
  const effort = choice("Effort", EFFORTS, { value: "usual", onchange: () => tellCode() });
  const promise = choice("Intervals", PROMISES, { onchange: () => tellCode() });
  const train = button("Train", start, { disabled: true });
  const lacking = h("span", { class: "faint" }, "First choose the column to predict, above."); // why the button waits
  const command = code("", "The same as a command"), python = code("", "The same in Python");
  const progress = h("div", { class: "training", hidden: true });
  const curve = canvas(drawCurve, { ratio: 0.28, least: 110, most: 220, label: "The error on held-out rows, pass by pass" });
  const said = h("p", { class: "faint" });

  const settings = () => ({ file: found.file, roles, effort: effort.value, calibrate: promise.value === "yes", out: name.value.trim() });
  const hasTarget = () => Object.values(roles).includes("target");

  const update = newest(() => studio.ask("table.look", { file: found.file, roles: { ...roles } }), (answer) => {
    found = answer;
    draw();
    tellCode();
  }, (error) => {
    roles = rolesOf(found);
    draw();
    failed(error);
  });

  const askCode = newest(() => studio.ask("table.code", settings()), (answer) => {
    command.set(answer.command);
    python.set(answer.python);
  }, failed);
  function tellCode() {
    for (const one of [command, python]) one.hidden = !hasTarget();
    if (hasTarget() && settings().out) askCode();
    else askCode.drop();
  }

  async function start() {
    train.disabled = true;
    try {
      const begun = await studio.ask("table.fit", settings());
      job = begun.job;
      curves = [];
      progress.hidden = false;
      progress.scrollIntoView({ block: "nearest", behavior: "smooth" });
    } catch (error) { failed(error); train.disabled = false; }
  }

  const training = h("div", {});
  const watch = newest(async (jobs) => {
    const mine = jobs.find((one) => one.job === job);
    if (left) return;
    if (!mine) { job = null; train.disabled = false; return; }
    rows(training, studio, [mine]);
    progress.replaceChildren(training, curve, said);
    try { curves = (await studio.ask("table.progress", { job })).curves; } catch { /* the last passes are not drawn */ }
    said.textContent = curves.length
      ? `Network ${curves.length} has gone through the table ${curves.at(-1).length} times. ${LEARNS}`
      : "The table is read and the network is built; the first pass takes longest.";
    curve.redraw();
    if (mine.state === "done" || mine.state === "stopped") {
      job = null;
      announce(`${mine.title} is trained.`);
      await open(mine.out);
      train.disabled = false;
    } else if (mine.state === "failed") { job = null; train.disabled = false; studio.note(mine.note, "error"); }
  }, undefined, failed);
  const hear = ({ jobs }) => { if (job) watch(jobs); };
  const ends = [studio.on("jobs.changed", hear), studio.on("studio.hello", hear)], forget = () => ends.forEach((end) => end());

  function draw() {
    summary.textContent = `${found.rows.toLocaleString("en")} rows, ${found.columns.length} columns; ${found.features} of them can help to predict.`;
    const chosen = found.columns.filter((one) => one.role === "target").map((one) => one.name);
    target.set(chosen[0] ?? "");
    const focused = columns.contains(document.activeElement) ? document.activeElement.dataset.name : null;
    const heads = ["Column", "Taken for", "What is in it", "Use it as"].map((one) => h("th", { scope: "col" }, one));
    columns.replaceChildren(h("table", {}, h("thead", {}, h("tr", {}, heads)),
      h("tbody", {}, found.columns.map((one) => h("tr", { "data-role": one.role, class: UNUSED.includes(one.kind) ? "unused" : false },
        h("th", { scope: "row" }, one.name), h("td", {}, KINDS[one.kind] ?? one.kind), h("td", {}, one.detail), h("td", {}, use(one)))))));
    troubles.replaceChildren(...found.sentences.map((one) => h("li", {}, upper(one))));
    troubles.hidden = !found.sentences.length;
    histogram.replaceChildren(...found.histograms.map(bars));
    train.disabled = !chosen.length || job !== null;
    lacking.hidden = chosen.length > 0;
    if (focused) columns.querySelector(`select[data-name="${CSS.escape(focused)}"]`)?.focus();
  }

  function use(one) {
    const select = h("select", { "data-name": one.name, "aria-label": `Use ${one.name} as`, onchange: () => {
      if (select.value) roles[one.name] = select.value; else delete roles[one.name];
      update();
    } }, USES.map(([value, text]) => h("option", { value }, text)));
    select.value = one.role;
    return select;
  }

  function bars({ name: of, counts, edges, beyond }) {
    const label = `How often ${of} has which value, from ${short(edges[0])} to ${short(edges.at(-1))}`;
    const element = canvas((context, width, height) => {
      const most = Math.max(...counts), floor = height - 1.3 * rem(), step = width / counts.length;
      context.fillStyle = colour("blue");
      counts.forEach((count, i) => context.fillRect(i * step + 0.5, floor - (floor - 4) * count / most, Math.max(1, step - 1), (floor - 4) * count / most));
      context.fillStyle = colour("faint");
      context.font = font(0.75);
      for (const tick of ticks(edges[0], edges.at(-1), Math.max(2, Math.floor(width / 6 / rem())))) {
        const x = width * (tick - edges[0]) / (edges.at(-1) - edges[0]);
        context.textAlign = x < 1.5 * rem() ? "left" : x > width - 1.5 * rem() ? "right" : "center";
        context.fillText(short(tick), x, height - 5);
      }
    }, { ratio: 0.34, least: 110, most: 200, label });
    return h("figure", {}, element, h("figcaption", { class: "faint" }, `How often ${of} has which value in the table.`,
      beyond ? ` ${beyond} values lie beyond the ends.` : ""));
  }

  function drawCurve(context, width, height) {
    const one = curves.at(-1);
    if (!one) return;
    const best = one.indexOf(Math.min(...one)), low = one[best], reach = Math.max(0.2, 2 * (one[0] - low));
    const x = (i) => 8 + (width - 16) * i / Math.max(1, one.length - 1);
    const y = (v) => height - 1.5 * rem() - (height - 2.2 * rem()) * Math.min(1, (v - low) / reach);
    context.strokeStyle = colour("blue");
    context.lineWidth = 2;
    context.lineJoin = "round";
    context.beginPath();
    one.forEach((v, i) => context[i ? "lineTo" : "moveTo"](x(i), y(v)));
    context.stroke();
    context.fillStyle = colour("orange");
    context.beginPath();
    context.arc(x(best), y(low), 5, 0, 2 * Math.PI);
    context.fill();
    context.font = font(0.75, 600);
    context.textAlign = x(best) < 5 * rem() ? "left" : x(best) > width - 5 * rem() ? "right" : "center";
    context.fillText(`best: pass ${best + 1}`, x(best), height - 4);
  }

  const sample = h("details", {}, h("summary", {}, "The first rows"), h("div", { class: "scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, first.first.columns.map((one) => h("th", { scope: "col" }, one)))),
    h("tbody", {}, first.first.rows.map((cells) => h("tr", {}, cells.map((cell) => h("td", {}, cell)))))),
  first.first.more > 0 ? h("p", { class: "faint" }, `and ${first.first.more} more columns`) : null));
  const element = h("div", {},
    h("section", { class: "panel", "aria-label": "What is in the table" }, h("h2", {}, first.file), summary,
      h("div", { class: "about" }, h("div", { class: "ask" }, target, histogram), troubles), columns, sample),
    h("section", { class: "panel", "aria-label": "Train" }, h("h2", {}, "Let it learn"),
      h("p", { class: "faint" }, ASIDE),
      h("div", { class: "settings" }, effort, promise, name), h("p", { class: "buttons" }, train, lacking), progress, command, python));
  command.hidden = python.hidden = true;
  draw();
  tellCode();
  return { element, out: () => name.value.trim(), leave() { left = true; forget(); } };
}
